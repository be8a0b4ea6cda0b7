//! The chain of the audit log: every entry's hash covers the entry and the hash before it, and the head has a seal.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Actor;
use super::key::AuditKey;
use super::store::{AuditRow, Head};

/// What an entry says.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `<service>.<object>.<action>`.
    pub(crate) action: String,
    pub(crate) record_id: Uuid,
    /// The record as JSON object; never a secret.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) reason: String,
}

/// The next row of the chain; moves the head on.
pub(super) fn row(
    key: &AuditKey,
    tenant: Uuid,
    head: &mut Head,
    (at, actor): (OffsetDateTime, &Actor),
    entry: Entry,
) -> AuditRow {
    let mut row = AuditRow {
        sequence: head.audit_sequence + 1,
        at,
        actor_kind: actor.kind.name().to_owned(),
        actor_id: actor.id,
        action: entry.action,
        record_id: entry.record_id,
        before: entry.before,
        after: entry.after,
        reason: entry.reason,
        request_id: actor.request_id.clone(),
        permission_version: head.permission_version,
        hash: Vec::new(),
    };
    row.hash = hash(key, tenant, &head.audit_hash, &row);
    head.audit_sequence = row.sequence;
    head.audit_hash.clone_from(&row.hash);
    head.audit_seal = seal(key, tenant, head);
    row
}

/// The hash that a row has behind another one's.
pub(crate) fn hash(key: &AuditKey, tenant: Uuid, previous: &[u8], row: &AuditRow) -> Vec<u8> {
    key.code(
        b"globcrm audit entry",
        &[
            Some(tenant.as_bytes()),
            Some(previous),
            Some(&row.sequence.to_be_bytes()),
            Some(&(row.at.unix_timestamp_nanos() / 1_000).to_be_bytes()),
            Some(row.actor_kind.as_bytes()),
            Some(row.actor_id.as_bytes()),
            Some(row.action.as_bytes()),
            Some(row.record_id.as_bytes()),
            row.before.as_deref().map(str::as_bytes),
            row.after.as_deref().map(str::as_bytes),
            Some(row.reason.as_bytes()),
            Some(row.request_id.as_bytes()),
            Some(&row.permission_version.to_be_bytes()),
        ],
    )
}

/// The seal of a head: that the log ends there.
pub(crate) fn seal(key: &AuditKey, tenant: Uuid, head: &Head) -> Vec<u8> {
    let parts =
        [Some(&tenant.as_bytes()[..]), Some(&head.audit_sequence.to_be_bytes()), Some(&head.audit_hash)];
    key.code(b"globcrm audit head", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::config::SecretString;
    use auth::PrincipalKind;

    fn entry(name: &str) -> Entry {
        Entry {
            action: "identity.role.create".to_owned(),
            record_id: Uuid::from_u128(1),
            before: None,
            after: Some(serde_json::json!({ "name": name }).to_string()),
            reason: String::new(),
        }
    }

    #[test]
    fn every_row_depends_on_all_rows_before_it_and_on_the_key() {
        let actor = Actor {
            kind: PrincipalKind::User,
            id: Uuid::from_u128(2),
            request_id: "r".to_owned(),
            traceparent: None,
        };
        let chain = |secret: &str, tenant: u128, names: [&str; 3]| {
            let key = AuditKey::new(&SecretString::from(secret.repeat(32))).unwrap();
            let tenant = Uuid::from_u128(tenant);
            let mut head = Head::first(&key, tenant);
            let at = OffsetDateTime::UNIX_EPOCH;
            let rows = names.map(|name| row(&key, tenant, &mut head, (at, &actor), entry(name)));
            (rows, head.audit_seal)
        };
        let ((a, _), (b, _)) = (chain("k", 1, ["x", "y", "z"]), chain("k", 1, ["x", "Y", "z"]));
        assert_eq!(a[0].hash, b[0].hash);
        assert_ne!(a[1].hash, b[1].hash);
        assert_ne!(a[2].hash, b[2].hash, "the change of the second row shows in the third");
        for (other, seal) in [chain("l", 1, ["x", "y", "z"]), chain("k", 2, ["x", "y", "z"])] {
            assert!(a.iter().all(|row| other.iter().all(|other| other.hash != row.hash)));
            assert_ne!(seal, chain("k", 1, ["x", "y", "z"]).1);
        }
        assert_eq!(a.map(|r| r.sequence), [1, 2, 3]);
    }

    #[test]
    fn a_short_secret_is_no_key() {
        assert!(AuditKey::new(&SecretString::from("k".repeat(31))).is_err());
    }
}
