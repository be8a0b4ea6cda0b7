//! Whether services are connected to a database.

use ::config::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection};

use crate::DbError;
use crate::login::options;

/// Whether a process of ours is connected to the database of `url` as its user: a service whose worker this is has a relay, which always is.
pub async fn is_served(url: &SecretString) -> Result<bool, DbError> {
    let mut conn = options(url.expose_secret())?.connect().await?;
    let found = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
                        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
                          AND application_name LIKE 'globcrm-%')",
    )
    .fetch_one(&mut conn)
    .await?;
    conn.close().await?;
    Ok(found)
}
