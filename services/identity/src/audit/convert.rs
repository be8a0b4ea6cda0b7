//! Entries as they are shown.

use proto::identity::v1 as pb;

use crate::changes::AuditRow;

pub(super) fn to_proto(row: &AuditRow) -> pb::AuditEntry {
    let json = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes().into();
    pb::AuditEntry {
        sequence: row.sequence,
        at: Some(proto::timestamp(row.at)),
        actor: Some(pb::AuditActor { kind: row.actor_kind.clone(), id: row.actor_id.to_string() }),
        action: row.action.clone(),
        object: row.action.split('.').nth(1).unwrap_or_default().to_owned(),
        record_id: row.record_id.to_string(),
        before: json(&row.before),
        after: json(&row.after),
        reason: row.reason.clone(),
        request_id: row.request_id.clone(),
        hash: hex::encode(&row.hash),
    }
}
