//! Tests of what operators install, in a binary of their own: they need nothing of the services' crates.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a test is an outside caller with tasks of its own")]
#![allow(clippy::print_stdout, reason = "a suite says what it has measured")]
#![allow(unreachable_pub, reason = "one binary: everything is reachable by its modules alone")]

mod chart;
