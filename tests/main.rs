//! One test binary: a module a suite.

#![cfg(test)]

mod client;
mod stage;

mod catalog;
mod database;
mod events;
mod faults;
mod fields;
mod isolation;
mod journey;
mod query;
