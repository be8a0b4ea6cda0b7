//! The chain of the audit log: every row's hash covers the row and the hash before it.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::store::{AuditRow, Head};
use super::{Actor, Change};

/// The next row of the chain; moves the head on.
pub(super) fn row(head: &mut Head, at: OffsetDateTime, actor: &Actor, change: &Change) -> AuditRow {
    let mut row = AuditRow {
        sequence: head.audit_sequence + 1,
        at,
        actor_kind: actor.kind.name(),
        actor_id: actor.id,
        action: format!("identity.{}.{}", change.object, change.action),
        record_id: change.record_id,
        before: change.before.as_ref().map(serde_json::Value::to_string),
        after: change.after.as_ref().map(serde_json::Value::to_string),
        reason: change.reason,
        request_id: actor.request_id.clone(),
        permission_version: head.permission_version,
        hash: Vec::new(),
    };
    row.hash = hash(&head.audit_hash, &row);
    head.audit_sequence = row.sequence;
    head.audit_hash.clone_from(&row.hash);
    row
}

/// SHA-256 over the hash before and every column, each with its length before it, so that no two rows read alike.
fn hash(previous: &[u8], row: &AuditRow) -> Vec<u8> {
    let mut hasher = Sha256::new();
    let mut part = |bytes: Option<&[u8]>| {
        // An absent value differs from an empty one.
        hasher.update(bytes.map_or(-1_i64, |b| b.len() as i64).to_be_bytes());
        hasher.update(bytes.unwrap_or_default());
    };
    part(Some(previous));
    part(Some(&row.sequence.to_be_bytes()));
    part(Some(&(row.at.unix_timestamp_nanos() / 1_000).to_be_bytes()));
    part(Some(row.actor_kind.as_bytes()));
    part(Some(row.actor_id.as_bytes()));
    part(Some(row.action.as_bytes()));
    part(Some(row.record_id.as_bytes()));
    part(row.before.as_deref().map(str::as_bytes));
    part(row.after.as_deref().map(str::as_bytes));
    part(Some(row.reason.as_bytes()));
    part(Some(row.request_id.as_bytes()));
    part(Some(&row.permission_version.to_be_bytes()));
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Touches;
    use auth::PrincipalKind;
    use uuid::Uuid;

    fn change(name: &str) -> Change {
        Change {
            object: "role",
            action: "create",
            verb: "created",
            record_id: Uuid::from_u128(1),
            version: 1,
            owner: None,
            before: None,
            after: Some(serde_json::json!({ "name": name })),
            reason: "",
            touches: Touches::Nobody,
            narrows: false,
        }
    }

    #[test]
    fn every_row_depends_on_all_rows_before_it() {
        let actor = Actor {
            kind: PrincipalKind::User,
            id: Uuid::from_u128(2),
            request_id: "r".to_owned(),
            traceparent: None,
        };
        let chain = |names: [&str; 3]| {
            let mut head = Head::first();
            names.map(|name| row(&mut head, OffsetDateTime::UNIX_EPOCH, &actor, &change(name)))
        };
        let (a, b) = (chain(["x", "y", "z"]), chain(["x", "Y", "z"]));
        assert_eq!(a[0].hash, b[0].hash);
        assert_ne!(a[1].hash, b[1].hash);
        assert_ne!(a[2].hash, b[2].hash, "the change of the second row shows in the third");
        assert_eq!(a.map(|r| r.sequence), [1, 2, 3]);
        assert_eq!(b[0].action, "identity.role.create");
    }
}
