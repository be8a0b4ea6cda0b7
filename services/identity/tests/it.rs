#![allow(dead_code, unused_crate_dependencies)]
extern crate globcrm_identity as identity;
#[path = "../../../tests/database.rs"]
mod database;
#[path = "../../../tests/identity/mod.rs"]
mod cases;
