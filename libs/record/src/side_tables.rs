//! SideTable tables that records of every object feed: tags and ids in other systems.

use serde_json::Value;

use super::SideTable;

/// Tags, with their search keys.
pub const TAGS: SideTable = SideTable {
    field: "tags",
    pairs: |value| texts(value).map(|tag| (tag.to_owned(), field_types::search_key(tag))).collect(),
    put: "INSERT INTO record_tag (tenant_id, object, record_id, tag, tag_folded)
         SELECT $1, $5, record_id, tag, folded
         FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (record_id, tag, folded)",
    clear: "DELETE FROM record_tag WHERE tenant_id = $1 AND record_id = ANY($2)",
    held: "SELECT record_id, tag, tag_folded, true FROM record_tag WHERE tenant_id = $1 AND record_id = ANY($2)",
    set_live: None,
    holders: None,
};

/// Ids in other systems.
pub const EXTERNAL_IDS: SideTable = SideTable {
    field: "external_ids",
    pairs: |value| {
        let members = value.as_object().into_iter().flatten();
        members.filter_map(|(system, id)| Some((system.clone(), id.as_str()?.to_owned()))).collect()
    },
    put: "INSERT INTO external_id (tenant_id, object, record_id, system, external_id, live)
         SELECT $1, $5, record_id, system, id, $6
         FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (record_id, system, id)",
    clear: "DELETE FROM external_id WHERE tenant_id = $1 AND record_id = ANY($2)",
    held: "SELECT record_id, system, external_id, live FROM external_id WHERE tenant_id = $1 AND record_id = ANY($2)",
    set_live: Some("UPDATE external_id SET live = $3 WHERE tenant_id = $1 AND record_id = ANY($2)"),
    holders: Some(
        "SELECT DISTINCT e.record_id
         FROM unnest($3::text[], $4::text[]) AS wanted (system, id)
         JOIN external_id AS e
           ON e.tenant_id = $1 AND e.object = $5 AND e.system = wanted.system AND e.external_id = wanted.id
         WHERE e.live AND e.record_id <> ALL($2)
         LIMIT 20",
    ),
};

/// The texts of a list.
pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
