//! The list, by what the refusals are about.

mod accounts;
mod activities;
mod credentials;
mod fields;
mod imports;
mod limits;
mod lists;
mod permissions;
mod pipelines;
mod records;
mod requests;
mod service;
mod values;

use crate::Reason;

/// All parts; a constant that two parts have does not compile.
pub(crate) const PARTS: &[&[Reason]] = &[
    requests::PART,
    values::PART,
    lists::PART,
    records::PART,
    fields::PART,
    pipelines::PART,
    activities::PART,
    imports::PART,
    accounts::PART,
    credentials::PART,
    permissions::PART,
    limits::PART,
    service::PART,
];
