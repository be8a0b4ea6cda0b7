//! The suite `compose`: the image, and the fleet in containers of this machine, from nothing to nothing.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fleet::FLEET;
use testkit::Progress;

use super::{Count, End, count_tests, tests};
use crate::engine::{ask, compose, docker};
use crate::{cargo, engine, image};

/// Until every service is healthy, with the servers and the migrations before them.
const UP: Duration = Duration::from_secs(300);
/// Until one service that was started again takes calls.
const SERVING: Duration = Duration::from_secs(60);

/// A project of compose that goes with this value.
struct Composed {
    project: String,
    publish: String,
    is_gone: bool,
}

/// Runs the suite. A fleet that does not come up, a failed journey and anything that is left behind are failures of their own.
pub(super) fn run(words: &[String], count: &mut Count, progress: &Progress) -> Result<End> {
    engine::require()?;
    image::run(&image::Options::default(), progress)?;
    let mut fleet = Composed::new()?;
    fleet.up(progress)?;
    noted(count, true);
    fleet.measure(progress)?;
    let mut command = tests(super::Suite::Compose);
    // A word would fit tests of other suites, too.
    command.args(["--", "compose::"]).args(words.iter().filter(|word| word.starts_with('-')));
    command.env("GLOBCRM_TEST_GATEWAY_URL", format!("http://{}", fleet.publish));
    let journey = count_tests(command, count, progress)?;
    let left = fleet.down(progress)?;
    if !left.is_empty() {
        progress.say(format!("`down` has left {}", left.join(", ")));
    }
    noted(count, left.is_empty());
    Ok(if left.is_empty() { journey } else { End::Failed })
}

fn noted(count: &mut Count, passed: bool) {
    if passed {
        count.passed += 1;
    } else {
        count.failed += 1;
    }
}

impl Composed {
    fn new() -> Result<Self> {
        // It is free now; whoever takes it in between makes `up` fail by name.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let project = format!("globcrm-test-{}", std::process::id());
        Ok(Self { project, publish: format!("127.0.0.1:{port}"), is_gone: false })
    }

    fn compose(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = compose()?;
        command.args(["--project-name", &self.project, "--file", "docker-compose.yml"]).args(arguments);
        command.env("GLOBCRM_PUBLISH", &self.publish).env("GLOBCRM_IMAGE", image::TAG);
        Ok(command)
    }

    /// One command, and the wait until every service says that it takes calls.
    fn up(&self, progress: &Progress) -> Result<()> {
        let begin = Instant::now();
        cargo::run(self.compose(&["up", "--detach"])?, progress)?;
        for member in FLEET {
            let name = member.names.name;
            let container = self.container(name)?;
            loop {
                progress.check()?;
                let health = ask(docker(&["inspect", "--format", "{{.State.Health.Status}}", &container]))?;
                if health.trim() == "healthy" {
                    break;
                }
                if begin.elapsed() > UP {
                    let logs = ask(docker(&["logs", "--tail", "20", &container])).unwrap_or_default();
                    bail!("{name} is {} after {} s:\n{logs}", health.trim(), UP.as_secs());
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        progress.say(format!("the fleet takes calls, {:.1} s after `up`", begin.elapsed().as_secs_f64()));
        Ok(())
    }

    /// What an operator plans with: memory of each container without work, and the time from start to the first call.
    fn measure(&self, progress: &Progress) -> Result<()> {
        for member in FLEET {
            let name = member.names.name;
            let container = self.container(name)?;
            let memory = ask(docker(&["stats", "--no-stream", "--format", "{{.MemUsage}}", &container]))?;
            ask(docker(&["stop", &container]))?;
            let begin = Instant::now();
            ask(docker(&["start", &container]))?;
            while ask(docker(&["exec", &container, "/usr/local/bin/globcrm", "healthcheck"])).is_err() {
                progress.check()?;
                if begin.elapsed() > SERVING {
                    bail!("{name} takes no calls {} s after its start", SERVING.as_secs());
                }
            }
            let took = begin.elapsed().as_secs_f64();
            println!("{name}: {} idle, takes calls {took:.1} s after its start", memory.trim());
        }
        Ok(())
    }

    fn container(&self, service: &str) -> Result<String> {
        let service = format!("label=com.docker.compose.service={service}");
        let found = self.labelled(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &service])?;
        found.into_iter().next().with_context(|| format!("{service} has no container"))
    }

    /// Ids of what belongs to the project.
    fn labelled(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let project = format!("label=com.docker.compose.project={}", self.project);
        let mut command = docker(arguments);
        command.args(["--filter", &project]);
        Ok(ask(command)?.lines().map(str::to_owned).collect())
    }

    /// Takes everything down and names what is left.
    fn down(&mut self, progress: &Progress) -> Result<Vec<String>> {
        self.is_gone = true;
        cargo::run(self.compose(&["down", "--volumes", "--remove-orphans"])?, progress)?;
        let mut left = Vec::new();
        for (what, arguments) in [
            ("container", &["ps", "--all", "--quiet"][..]),
            ("network", &["network", "ls", "--quiet"]),
            ("volume", &["volume", "ls", "--quiet"]),
        ] {
            left.extend(self.labelled(arguments)?.into_iter().map(|id| format!("{what} {id}")));
        }
        Ok(left)
    }
}

impl Drop for Composed {
    /// Also after an error and an interruption.
    fn drop(&mut self) {
        if !self.is_gone
            && let Err(error) = self.down(&Progress::audible())
        {
            eprintln!("error: {error:#}");
        }
    }
}
