//! The backing services themselves: what other fault tests lean on.

use std::path::PathBuf;

use testkit::backing::{Backing, Source};
use testkit::{Progress, Purpose, Workspace};

/// A workspace of a test's own below the build output, so that tests beside it keep theirs.
pub(crate) fn apart(name: &str) -> anyhow::Result<(Workspace, PathBuf)> {
    let here = Workspace::here()?;
    let root = here.target().join(format!("tmp/{name}-{}", std::process::id()));
    std::fs::create_dir_all(root.join("deploy/rabbitmq"))?;
    let definitions = "deploy/rabbitmq/definitions.json";
    std::fs::copy(here.root().join(definitions), root.join(definitions))?;
    Ok((Workspace::at(&root)?, root))
}

#[test]
fn backing_services_are_reused_survive_kill_9_on_the_same_ports_and_leave_nothing_behind()
-> anyhow::Result<()> {
    let (workspace, root) = apart("backing")?;
    let progress = Progress::audible();

    let first = Backing::start(&workspace, Purpose::Test, &progress)?;
    let second = Backing::start(&workspace, Purpose::Test, &progress)?;
    assert_eq!(first.postgres_admin_url(), second.postgres_admin_url());
    assert_eq!(first.amqp_url(), second.amqp_url());
    assert_eq!(first.redis_url(), second.redis_url());

    for (control, service) in [
        (second.postgres(), testkit::backing::Service::Postgres),
        (second.rabbitmq(), testkit::backing::Service::Rabbitmq),
        (second.redis(), testkit::backing::Service::Redis),
    ] {
        if second.source(service) == Some(Source::Environment) {
            continue;
        }
        assert!(control.answers()?);
        control.pause()?;
        assert!(!control.answers()?, "{service:?} answers while it is paused");
        control.resume()?;
        control.kill9()?;
        assert!(!control.answers()?, "{service:?} answers after kill -9");
        control.start_again()?;
        assert!(control.answers()?);
    }

    first.stop_started()?;
    Backing::wipe(&workspace, Purpose::Test, &progress)?;
    assert!(!workspace.state_dir(Purpose::Test).exists());
    std::fs::remove_dir_all(root)?;
    Ok(())
}
