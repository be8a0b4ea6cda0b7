//! A namespace of its own, by kubectl and helm.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::chart::helm::{Chart, helm, output};

/// A namespace, gone at the end of the test.
#[derive(Debug)]
pub struct Namespace(&'static str);

/// A variable that `cargo xtask test chart` has looked for.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test chart`"))
}

/// What kubectl prints; it must succeed.
#[track_caller]
pub fn kubectl(arguments: &[&str]) -> String {
    let mut command = Command::new("kubectl");
    command.args(arguments).stdin(Stdio::null());
    output(&mut command).unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
}

/// Asks until it holds; panics after `bound` with what was found last. Each question is a process, so there is time between two.
#[track_caller]
pub fn until(bound: Duration, what: &str, ask: impl Fn() -> Result<(), String>) {
    let begun = Instant::now();
    while let Err(found) = ask() {
        assert!(begun.elapsed() < bound, "{what}: not within {bound:?}: {found}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Gives kubectl a manifest.
#[track_caller]
pub fn apply(arguments: &[&str], manifest: &str) {
    let mut kubectl = Command::new("kubectl");
    kubectl.args(arguments).args(["--filename", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = kubectl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "kubectl {}", arguments.join(" "));
}

impl Namespace {
    /// Makes it anew, restricted.
    pub fn create(name: &'static str) -> Self {
        kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait", "--timeout", "120s"]);
        kubectl(&["create", "namespace", name]);
        kubectl(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"]);
        Self(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0
    }

    /// The Secret, as an operator makes it.
    pub fn make_secret(&self) {
        let mut secrets = Command::new(variable("GLOBCRM_TEST_BINARY"));
        secrets.args([
            "secrets",
            "kubernetes",
            "--name",
            "globcrm",
            "--postgres",
            "crm-globcrm-postgresql:5432",
        ]);
        secrets.args(["--rabbitmq", "crm-globcrm-rabbitmq:5672", "--redis", "crm-globcrm-redis:6379"]);
        let manifest = output(&mut secrets).unwrap();
        apply(&["create", "--namespace", self.0], &manifest);
    }

    /// helm in this namespace; it must succeed.
    #[track_caller]
    pub fn helm(&self, arguments: &[&str]) {
        let mut command = helm();
        command.args(["--namespace", self.0]).args(arguments);
        if let Err(error) = output(&mut command) {
            let pods = kubectl(&["--namespace", self.0, "get", "pods,jobs", "--output", "wide"]);
            let events = kubectl(&["--namespace", self.0, "get", "events", "--sort-by", ".lastTimestamp"]);
            let last: Vec<&str> = events.lines().rev().take(20).collect();
            panic!("helm {}: {error}\n{pods}\n{}", arguments.join(" "), last.join("\n"));
        }
    }

    /// The first release: the small preset on bundled stores.
    pub fn helm_install(&self, image: &str, revision: &str) {
        self.release("install", image, revision);
    }

    /// The next one; it is over when every pod is of it.
    pub fn helm_upgrade(&self, image: &str, revision: &str) {
        self.release("upgrade", image, revision);
        self.rolled_out();
    }

    fn release(&self, verb: &str, image: &str, revision: &str) {
        let chart = Chart::ours();
        let preset = chart.dir().join("values-small.yaml").display().to_string();
        let (repository, tag) = image.rsplit_once(':').unwrap();
        let mut sets = vec![
            format!("image.repository={repository}"),
            format!("image.tag={tag}"),
            "defaults.resources.requests.cpu=10m".to_owned(),
            "defaults.resources.requests.memory=32Mi".to_owned(),
            format!("defaults.podAnnotations.revision=r{revision}"),
        ];
        for store in ["postgresql", "rabbitmq", "redis"] {
            sets.push(format!("bundled.{store}.enabled=true"));
            if let Ok(user) = std::env::var(format!("GLOBCRM_TEST_{}_UID", store.to_uppercase())) {
                sets.push(format!("bundled.{store}.runAsUser={user}"));
            }
        }
        for store in ["postgresql", "rabbitmq"] {
            sets.push(format!("bundled.{store}.ephemeral=true"));
        }
        let directory = chart.dir().display().to_string();
        let mut arguments = vec![verb, "crm", &directory, "--wait", "--timeout", "10m", "--values", &preset];
        for set in &sets {
            arguments.extend(["--set", set]);
        }
        self.helm(&arguments);
    }

    /// Waits until every Deployment has only pods of its newest template.
    pub fn rolled_out(&self) {
        let names = kubectl(&["--namespace", self.0, "get", "deployments", "--output", "name"]);
        for deployment in names.lines() {
            kubectl(&["--namespace", self.0, "rollout", "status", deployment, "--timeout", "10m"]);
        }
    }

    /// Deletes one of the pods of a service, as a node that is drained does.
    pub fn delete_a_pod(&self, role: &str) {
        let first = self.pods(role).swap_remove(0);
        kubectl(&["--namespace", self.0, "delete", &first, "--wait", "--timeout", "120s"]);
    }

    /// The pods of a service, as `pod/NAME`, without those that are ending.
    pub fn pods(&self, role: &str) -> Vec<String> {
        const NAMES: &str = "go-template={{range .items}}{{if not .metadata.deletionTimestamp}}pod/{{.metadata.name}}{{\"\\n\"}}{{end}}{{end}}";
        let selector = format!("app.kubernetes.io/component={role}");
        let names =
            kubectl(&["--namespace", self.0, "get", "pods", "--selector", &selector, "--output", NAMES]);
        names.lines().map(str::to_owned).collect()
    }

    /// What the bundled PostgreSQL answers to its administrator: one value, or nothing.
    pub fn sql(&self, statement: &str) -> String {
        let pod = "crm-globcrm-postgresql-0";
        let psql = ["psql", "--username", "postgres", "--dbname", "globcrm", "--no-align", "--tuples-only"];
        let mut arguments = vec!["--namespace", self.0, "exec", pod, "--"];
        arguments.extend(psql);
        arguments.extend(["--quiet", "--command", statement]);
        kubectl(&arguments).trim().to_owned()
    }

    /// The address of a Service.
    pub fn address(&self, service: &str) -> String {
        let path = "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}";
        format!("http://{}", kubectl(&["--namespace", self.0, "get", "service", service, "--output", path]))
    }

    /// What is there of the release when its pods have ended.
    pub fn left(&self) -> Vec<String> {
        let pods = "app.kubernetes.io/instance=crm";
        kubectl(&[
            "--namespace",
            self.0,
            "wait",
            "pods",
            "--selector",
            pods,
            "--for",
            "delete",
            "--timeout",
            "180s",
        ]);
        let kinds = "all,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets,persistentvolumeclaims,ingresses,horizontalpodautoscalers";
        let of_release = "app.kubernetes.io/instance=crm";
        let names =
            kubectl(&["--namespace", self.0, "get", kinds, "--selector", of_release, "--output", "name"]);
        names.lines().map(str::to_owned).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What a failure needs to be understood stays.
        if !std::thread::panicking() {
            kubectl(&["delete", "namespace", self.0, "--wait", "--timeout", "180s"]);
        }
    }
}
