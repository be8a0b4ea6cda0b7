//! Groups of migrations: templates that several schemas have (ADR 0013).

use sha2::{Digest, Sha256};

use super::MigrateError;

/// One migration: `NNNN_verb_noun.up.sql` and its `.down.sql`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `NNNN_verb_noun`; templates are 0000 to 0099, a service's own begin at 0100.
    pub name: &'static str,
    /// The way up.
    pub up: &'static str,
    /// The way back.
    pub down: &'static str,
}

impl Migration {
    /// Of the way up, without what came to its header later.
    pub(super) fn checksum(&self) -> String {
        hex(&Sha256::digest(ddl::without_notes(self.up).as_bytes())[..16])
    }

    /// The header of the way up.
    pub(super) fn header(&self, schema: &'static str) -> Result<ddl::Header<'static>, MigrateError> {
        ddl::Header::of(self.up).map_err(|source| MigrateError::Header { schema, name: self.name, source })
    }
}

/// Templates of one folder below `migrations/`; `{{schema}}` stands for the name of the schema that they run in.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The folder.
    pub name: &'static str,
    /// The templates in order.
    pub migrations: &'static [Migration],
}

/// What every schema has, without asking for it: 0000 to 0049.
pub const BASE: Group = crate::migration_group!(
    "base",
    [
        "0000_create_protect",
        "0001_create_idempotency",
        "0002_create_authz_fence",
        "0003_create_outbox",
        "0004_create_inbox",
        "0005_index_idempotency_age",
        "0006_index_dead_event_consumer",
        "0010_lock_authz_fence",
        "0020_create_relay_sent",
        "0021_age_outbox",
        "0022_age_inbox",
        "0023_mark_counted_lease",
    ]
);

/// What a schema with records has beside their tables, and the function that makes a record table: 0050 to 0069.
pub const RECORD: Group = crate::migration_group!(
    "record",
    [
        "0050_create_record_object",
        "0051_create_side_tables",
        "0052_create_change",
        "0053_create_purge_due",
        "0054_forget_changes",
        "0055_create_definitions_fence",
        "0056_create_derived_check",
        "0057_create_peer_record",
    ]
);

/// Long-running work that users see: 0070 to 0089.
pub const OPERATIONS: Group = crate::migration_group!(
    "operations",
    [
        "0070_create_operation",
        "0071_create_operation_turn",
        "0072_index_operation_owner",
        "0075_add_error_field",
        "0076_create_bulk_record",
    ]
);

/// Declares a group of templates from the files of its folder: `db::migration_group!("record", ["0050_create_…", …])`.
#[macro_export]
macro_rules! migration_group {
    ($folder:literal, [$($name:literal),* $(,)?]) => {
        $crate::migrate::Group { name: $folder, migrations: $crate::migration_files!($folder, [$($name),*]) }
    };
}

/// Declares the migrations of a service: the groups that it has in addition to [`BASE`], and its own files.
/// `db::migrations!("records", [db::migrate::RECORD], ["0100_create_contacts", …])`.
#[macro_export]
macro_rules! migrations {
    ($schema:literal, [$($group:expr),* $(,)?], [$($name:literal),* $(,)?]) => {
        $crate::Migrations {
            schema: $schema,
            groups: &[$($group),*],
            own: $crate::migration_files!($schema, [$($name),*]),
        }
    };
}

/// The files of a folder below `migrations/`.
#[doc(hidden)]
#[macro_export]
macro_rules! migration_files {
    ($folder:literal, [$($name:literal),*]) => {
        &[$($crate::Migration {
            name: $name,
            up: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/", $folder, "/", $name, ".up.sql")),
            down: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/", $folder, "/", $name, ".down.sql")),
        }),*]
    };
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, b| {
        if write!(text, "{b:02x}").is_err() {
            text.clear();
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_a_number_of_its_groups_range() {
        for (group, numbers) in [(BASE, 0..=49), (RECORD, 50..=69), (OPERATIONS, 70..=89)] {
            for migration in group.migrations {
                let number: u32 = migration.name.split('_').next().unwrap().parse().unwrap();
                assert!(
                    numbers.contains(&number),
                    "{}: {} is outside {numbers:?}",
                    group.name,
                    migration.name
                );
            }
        }
    }

    #[test]
    fn a_template_names_no_schema() {
        for group in [BASE, RECORD, OPERATIONS] {
            for Migration { name, up, down } in group.migrations {
                for schema in ["identity.", "fields.", "records.", "_identity_", "_fields_", "_records_"] {
                    assert!(!up.contains(schema) && !down.contains(schema), "{name} names {schema}");
                }
            }
        }
    }
}
