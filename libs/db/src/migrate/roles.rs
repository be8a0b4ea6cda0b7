//! What an administrator prepares once: the database, and per service an owner, an app and a worker role with a schema.

use std::time::Duration;

use ::config::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::lock::{self, Scope};
use super::{MigrateError, PATIENCE, execute};
use crate::login::options;

/// A role that logs in.
#[derive(Clone, Debug)]
pub struct LoginRole {
    /// `globcrm_<service>_app` or `globcrm_<service>_worker`.
    pub name: String,
    /// Its password.
    pub password: SecretString,
}

impl LoginRole {
    /// The user and password of a database URL; `None` when it names no user or password, or is no URL.
    pub fn from_url(url: &SecretString) -> Option<Self> {
        let rest = url.expose_secret().split_once("://")?.1;
        let (user, password) = rest.rsplit_once('@')?.0.split_once(':')?;
        Some(Self { name: percent_decode(user)?, password: SecretString::from(percent_decode(password)?) })
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// One service's schema and roles.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The schema, which is the service's name.
    pub name: &'static str,
    /// The role of the service's requests.
    pub app: LoginRole,
    /// The role of its relay and jobs.
    pub worker: LoginRole,
}

/// Waits until no other migrator changes roles, to the end of the transaction. It holds among those who run it in one database: the one
/// that an administrator's URL names.
/// A migrator itself asks for the same lock again and again, with a bound; this is for tests.
pub const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtextextended('globcrm/roles', 0))";

/// The name of that lock.
const ROLES: &str = "globcrm/roles";

/// A connection with the right to make roles and databases.
#[derive(Debug)]
pub struct Administrator {
    conn: PgConnection,
    /// A connection to the database that the URL names, for locks that hold for the whole server: an advisory lock belongs to the
    /// database that it was taken in.
    server: PgConnection,
}

impl Administrator {
    /// Connects to `database`, making it first when it is missing.
    pub async fn connect(url: &SecretString, database: &str) -> Result<Self, sqlx::Error> {
        // Not one statement is logged, however slow: some of them hold the passwords of roles.
        let options =
            options(url.expose_secret())?.application_name("globcrm-migrate").disable_statement_logging();
        let mut server = options.clone().connect().await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(database)
            .fetch_one(&mut server)
            .await?;
        if !exists {
            let made = execute(&mut server, &format!("CREATE DATABASE {}", identifier(database))).await;
            // Two migrators may start together: the second finds what the first made.
            if let Err(error) = made
                && error.as_database_error().and_then(|e| e.code()).as_deref() != Some("42P04")
            {
                return Err(error);
            }
        }
        Ok(Self { conn: options.database(database).connect().await?, server })
    }

    /// The connection, for migrations.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// A connection to `database` that can change nothing, to plan by; `None` where it is missing.
    pub async fn reader(url: &SecretString, database: &str) -> Result<Option<PgConnection>, sqlx::Error> {
        let options = options(url.expose_secret())?
            .application_name("globcrm-migrate-plan")
            .options([("default_transaction_read_only", "on")])
            .disable_statement_logging();
        match options.database(database).connect().await {
            Ok(conn) => Ok(Some(conn)),
            Err(error) if error.as_database_error().and_then(|e| e.code()).as_deref() == Some("3D000") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a service's roles and schema, or brings them to what they should be.
    pub async fn prepare(&mut self, schema: &Schema) -> Result<(), MigrateError> {
        self.prepare_within(schema, PATIENCE).await
    }

    /// As [`prepare`](Self::prepare), waiting this long for another migrator.
    pub async fn prepare_within(&mut self, schema: &Schema, patience: Duration) -> Result<(), MigrateError> {
        let name = schema.name;
        let owner = format!("globcrm_{name}_owner");
        // Roles belong to the whole server: one migrator at a time makes them, whatever its database, so none meets a half-made one.
        let mut alone = self.server.begin().await?;
        lock::take(&mut alone, ROLES, Scope::Transaction, "the roles of this server", patience).await?;
        let mut tx = self.conn.begin().await?;
        self::role(&mut tx, &owner, "NOLOGIN").await?;
        for login in [&schema.app, &schema.worker] {
            let attributes = format!("LOGIN PASSWORD {}", literal(login.password.expose_secret()));
            self::role(&mut tx, &login.name, &attributes).await?;
        }
        let (app, worker) = (identifier(&schema.app.name), identifier(&schema.worker.name));
        execute(
            &mut tx,
            &format!(
                "GRANT {owner} TO CURRENT_USER;
                 CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {owner};
                 REVOKE ALL ON SCHEMA public FROM PUBLIC;
                 GRANT USAGE ON SCHEMA {name} TO {app}, {worker};
                 ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {name}
                     GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}, {worker};
                 ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {name}
                     GRANT USAGE, SELECT ON SEQUENCES TO {app}, {worker}"
            ),
        )
        .await?;
        tx.commit().await?;
        alone.commit().await?;
        Ok(())
    }
}

async fn role(conn: &mut PgConnection, name: &str, attributes: &str) -> Result<(), sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(name)
        .fetch_one(&mut *conn)
        .await?;
    let verb = if exists { "ALTER" } else { "CREATE" };
    let fixed = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";
    execute(conn, &format!("{verb} ROLE {} {fixed} {attributes}", identifier(name))).await
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    // The E form makes backslashes safe whatever standard_conforming_strings says.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_role_is_read_from_its_url() {
        let role = LoginRole::from_url(&SecretString::from("postgres://u_app:p%40ss%2F@h:1/db")).unwrap();
        assert_eq!((role.name.as_str(), role.password.expose_secret()), ("u_app", "p@ss/"));
        assert!(LoginRole::from_url(&SecretString::from("postgres://h/db")).is_none());
    }

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("a'b\\"), "E'a''b\\\\'");
    }
}
