#![doc = include_str!("../README.md")]

mod config;
mod error;
pub mod fence;
pub mod idempotency;
mod lock;
mod login;
mod long_turn;
mod metrics;
pub mod migrate;
mod pool;
mod presence;
mod rest;
mod session;
mod shares;
mod tenant_tx;

pub use config::{DatabaseConfig, POSTGRES_URL, postgres_url};
pub use error::DbError;
pub use lock::lock_of;
pub use long_turn::LongTurn;
pub use migrate::{Migration, Migrations};
pub use pool::{Db, WorkerDb, WorkerTx};
pub use presence::is_served;
pub use shares::{NoPlace, Place, Shares};
pub use tenant_tx::TenantTx;
