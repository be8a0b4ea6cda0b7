#![doc = include_str!("../README.md")]
#![allow(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]

mod compose;
mod configuration;
mod demo;
mod healthcheck;
mod http;
mod limits;
mod migrate;
mod openapi;
mod programs;
mod rest;
mod roles;
mod secrets;
mod smoke;
mod timelines;

use clap::{Parser, Subcommand};

use crate::roles::Role;

/// A page of a list is thousands of small values: a third less processor time than with the C library's allocator, and
/// memory goes back to the system when a burst is over.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// GlobCRM: a multi-tenant CRM back end.
#[derive(Parser, Debug)]
#[command(name = "globcrm", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(flatten)]
    Role(Role),
    /// Run the whole fleet in one process
    All,
    /// Make roles and schemas, and bring them to this version
    Migrate(migrate::Options),
    /// Documents, checks and prints configuration
    #[command(subcommand)]
    Config(configuration::Command),
    /// Make the secrets that a fleet needs: keys, passwords, URLs
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Print docker-compose.yml and what belongs to it
    #[command(subcommand)]
    Compose(compose::Command),
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// Print the reasons of refusals and what each means
    Reasons,
    /// Print what clients may send at most
    Limits,
    /// Exit 0 when this URL answers 200 (for containers without a shell)
    Healthcheck {
        /// By default that of a role's readiness, where it listens without being told otherwise
        #[arg(default_value = "http://127.0.0.1:9090/readyz")]
        url: String,
    },
    /// Try an installation: sign up, create, list, move, delete over its REST API
    Smoke(smoke::Options),
    /// Make the timelines of an organization anew, from what their service has heard of records
    Timelines {
        /// The organization's id
        tenant_id: String,
    },
    /// Load demo data for two organisations through the REST API
    Demo,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match Cli::parse().command {
            Command::Role(role) => roles::run(&[role]).await,
            Command::All => roles::run(&Role::ALL).await,
            Command::Migrate(options) => migrate::run(&options).await,
            Command::Config(command) => configuration::run(command),
            Command::Secrets(command) => secrets::run(command),
            Command::Compose(command) => compose::run(command),
            Command::Openapi => openapi::run(),
            Command::Reasons => {
                print!("{}", reasons::markdown());
                Ok(())
            }
            Command::Limits => limits::run(),
            Command::Healthcheck { url } => healthcheck::run(&url).await,
            Command::Smoke(options) => smoke::run(&options).await,
            Command::Timelines { tenant_id } => timelines::run(&tenant_id).await,
            Command::Demo => demo::run().await,
        }
    })
}
