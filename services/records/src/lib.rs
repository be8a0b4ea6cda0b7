#![doc = include_str!("../README.md")]

mod companies;
mod config;
mod consumers;
mod contacts;
mod grpc;
mod imports;
mod jobs;
mod links;
mod operations;
mod quota;
mod record;
mod service;
mod uploads;

pub use config::Config;
pub use jobs::derived::DerivedCheck;
pub use jobs::operations::OperationPurge;
pub use jobs::purge::Purge;
pub use jobs::uploads::UploadPurge;
pub use quota::Quotas;
pub use service::{AskPeople, FetchDefinitions, Parts, Service, ServiceToken, serve};

use db::Migrations;
use record::Object;
use service::App;

/// The migrations of the schema `records`; those of uploads and imports begin at 0150.
pub const MIGRATIONS: Migrations = db::migrations!(
    "records",
    [
        "0100_create_contacts",
        "0101_create_companies",
        "0102_create_contact_company",
        "0103_create_record_sides",
        "0104_create_change",
        "0105_create_purge_due",
        "0150_create_upload",
        "0151_create_operation",
        "0152_create_analyze_contacts",
        "0153_create_retention",
        "0154_create_dry_run",
        "0155_forget_changes",
        "0160_create_definitions_fence",
        "0161_create_derived_check",
        "0162_create_import_turn",
    ]
);

/// The object of this name, if its records are kept here.
fn object(name: &str) -> Option<&'static Object> {
    [&contacts::CONTACT, &companies::COMPANY].into_iter().find(|object| object.name == name)
}
