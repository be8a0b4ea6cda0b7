//! Which crate is which role: all that the binary adds to the fleet's list.

use config::{Env, Limit, Problems, Reloads, Setting};
use db::Migrations;
use fleet::Role;
use futures_util::future::BoxFuture;
use host::{HostConfig, LifeConfig, Process};
use serde_json::Value;

/// A service as the binary runs it.
pub(crate) struct Program {
    /// Every setting it reads.
    pub(crate) settings: fn() -> Vec<Setting>,
    /// Those of them that may change while it runs.
    pub(crate) hot: fn() -> Vec<Setting>,
    /// Their JSON Schema.
    pub(crate) schema: fn() -> Value,
    /// Reads its settings, or says every problem.
    pub(crate) load: fn(&Env) -> Result<Ready, Problems>,
    /// Of its schema, where it has one.
    pub(crate) migrations: Option<Migrations>,
    /// What clients meet and no setting changes.
    pub(crate) limits: &'static [Limit],
}

/// A service with its configuration, read and checked.
pub(crate) struct Ready {
    /// The life of its process.
    pub(crate) life: LifeConfig,
    /// Reads again what may change.
    pub(crate) reloads: Reloads,
    /// Runs it until the process stops.
    pub(crate) serve: Box<dyn FnOnce(Process) -> BoxFuture<'static, anyhow::Result<()>> + Send>,
}

/// The settings of a process that every service reads, more or fewer.
trait Life {
    fn life(&self) -> &LifeConfig;
}

impl Life for HostConfig {
    fn life(&self) -> &LifeConfig {
        &self.life
    }
}

impl Life for LifeConfig {
    fn life(&self) -> &LifeConfig {
        self
    }
}

/// The program of a service crate, which has a `Config` and a `serve` that takes it with these settings of its process.
macro_rules! program {
    ($service:ident, $role:expr, $host:ty, $migrations:expr, $limits:expr) => {
        Program {
            settings: || config::describe::<($service::Config, $host)>($role.upper()),
            hot: || config::hot_settings::<($service::Config, $host)>($role.upper()),
            schema: || config::schema::<($service::Config, $host)>($role.upper()),
            load: |env| {
                let ((own, host), reloads): (($service::Config, $host), _) =
                    config::load_with_reloads(env, $role.upper())?;
                let life = host.life().clone();
                let serve = move |process| -> BoxFuture<'static, anyhow::Result<()>> {
                    Box::pin(async move { Ok($service::serve(own, host, process).await?) })
                };
                Ok(Ready { life, reloads, serve: Box::new(serve) })
            },
            migrations: $migrations,
            limits: $limits,
        }
    };
}

/// The program of a role.
pub(crate) fn of(role: Role) -> Program {
    match role {
        Role::Identity => {
            program!(identity, Role::Identity, HostConfig, Some(identity::MIGRATIONS), identity::LIMITS)
        }
        Role::Fields => {
            program!(fields, Role::Fields, HostConfig, Some(fields::MIGRATIONS), fields::LIMITS)
        }
        Role::Records => {
            program!(records, Role::Records, HostConfig, Some(records::MIGRATIONS), records::LIMITS)
        }
        Role::Pipeline => {
            program!(pipeline, Role::Pipeline, HostConfig, Some(pipeline::MIGRATIONS), pipeline::LIMITS)
        }
        Role::Activities => {
            let migrations = Some(activities::MIGRATIONS);
            program!(activities, Role::Activities, HostConfig, migrations, activities::LIMITS)
        }
        Role::Notifications => {
            let migrations = Some(notifications::MIGRATIONS);
            program!(notifications, Role::Notifications, HostConfig, migrations, notifications::LIMITS)
        }
        Role::Gateway => program!(gateway, Role::Gateway, LifeConfig, None, gateway::LIMITS),
    }
}

#[cfg(test)]
mod tests {
    use fleet::FLEET;

    use super::*;

    #[test]
    fn a_role_has_the_schema_that_the_list_says() {
        for member in FLEET {
            let schema = of(member.role).migrations.map(|migrations| migrations.schema);
            assert_eq!(schema, member.has_schema.then_some(member.names.name));
        }
    }

    #[test]
    fn a_role_reads_the_addresses_of_those_that_it_calls_and_a_secret_if_it_calls_any() {
        for member in FLEET {
            let settings = (of(member.role).settings)();
            let has = |name: &str| settings.iter().any(|setting| setting.name == name);
            for other in FLEET {
                let calls = member.calls.contains(&other.role);
                assert_eq!(has(other.names.url[0]), calls, "{:?} calls {:?}", member.role, other.role);
            }
            assert_eq!(has("SERVICE_SECRET"), member.proves_itself(), "{:?}", member.role);
        }
    }
}
