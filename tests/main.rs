//! One test binary: a module a suite.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a test is an outside caller with tasks of its own")]
#![allow(unreachable_pub, reason = "one binary: everything is reachable by its modules alone")]

mod certificates;
mod client;
mod services;
mod sockets;
mod stage;
mod waiting;
mod world;

mod activities;
mod api;
mod attacks;
mod blobs;
mod cancellation;
mod catalog;
mod compose;
mod database;
mod events;
mod fairness;
mod faults;
mod fields;
mod findings;
mod golden;
mod identity;
mod isolation;
mod journey;
mod libraries;
mod monitoring;
mod notifications;
mod pipeline;
mod pipelines;
mod python;
mod query;
mod records;
mod restore;
mod tls;
mod traces;
