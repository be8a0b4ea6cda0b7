//! What pipelines promise, generated: every rule on every way to write a deal, and random histories against a model of them.

mod agree;
mod histories;
mod model;
pub(crate) mod report;
mod rules;
mod spec;
