//! Backup and restore, by the commands of docs/operate.md, on a PostgreSQL of this suite's own.

mod commands;
mod drill;
mod server;
