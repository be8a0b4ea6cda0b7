//! The contacts who have a part in a deal: a list of `{"contact_id", "role", "is_primary"}`, with `"deleted": true` while one is in the trash.

use error::Reason;
use field_types::FieldError;
use input::{Input, id};
use proto::pipeline::v1 as pb;
use record::peer_records::State;
use record::reference::Reference;
use record::{Naming, SideTable};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a deal names.
pub(super) const NAMING: Naming = Naming {
    ids: |contacts| {
        let named = items(contacts).enumerate().filter_map(|(n, contact)| {
            let pointer = format!("/{n}/contact_id");
            Some(Reference { object: "contact".to_owned(), id: who(contact)?, pointer })
        });
        named.collect()
    },
    // A range of the index for each id: one for all of them could not be read in the order of deals.
    holders: "SELECT DISTINCT l.deal_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.deal_id FROM pipeline.deal_contact AS n
         WHERE n.tenant_id = $1 AND $2 = 'contact' AND n.contact_id = named.id AND n.deal_id > $4
         ORDER BY n.deal_id LIMIT $5) AS l
     ORDER BY l.deal_id LIMIT $5",
    follow,
    known: as_known,
};

/// By which deals are found.
pub(super) const CONTACTS: SideTable = SideTable {
    field: "contacts",
    pairs: |contacts| items(contacts).filter_map(who).map(|id| (id.to_string(), String::new())).collect(),
    put: "INSERT INTO pipeline.deal_contact (tenant_id, deal_id, contact_id)
     SELECT $1, deal_id, contact_id::uuid FROM unnest($2::uuid[], $3::text[]) AS put (deal_id, contact_id)",
    clear: "DELETE FROM pipeline.deal_contact WHERE tenant_id = $1 AND deal_id = ANY($2)",
    held: "SELECT deal_id, contact_id::text, '', true FROM pipeline.deal_contact
     WHERE tenant_id = $1 AND deal_id = ANY($2)",
    set_live: None,
    holders: None,
};

fn items(contacts: &Value) -> impl Iterator<Item = &Value> {
    contacts.as_array().into_iter().flatten()
}

fn who(contact: &Value) -> Option<Uuid> {
    Uuid::try_parse(contact["contact_id"].as_str()?).ok()
}

/// Reads the contacts sent; whether they are there is asked later.
pub(super) fn read(input: &mut Input, sent: &[pb::DealContact]) {
    let mut contacts: Vec<Value> = Vec::new();
    let mut has_primary = false;
    for (n, contact) in sent.iter().enumerate() {
        // A refused entry keeps its place, so that the pointers of the others stay right.
        contacts.push(Value::Null);
        let role = match pb::ContactRole::try_from(contact.role) {
            Ok(pb::ContactRole::Unspecified) => pb::ContactRole::Other,
            Ok(role) => role,
            Err(_) => {
                let error = FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "no part that a contact can have");
                input.refuse(format!("/contacts/{n}/role"), error);
                continue;
            }
        };
        if contact.is_primary && has_primary {
            let error = FieldError::new(Reason::PRIMARY_REPEATED, "one contact at most is the primary one");
            input.refuse(format!("/contacts/{n}/is_primary"), error);
        }
        has_primary |= contact.is_primary;
        match id(&contact.contact_id) {
            Ok(id) if contacts.iter().any(|known| known["contact_id"] == id.to_string()) => {
                let error = FieldError::new(Reason::REPEATED, "is repeated");
                input.refuse(format!("/contacts/{n}/contact_id"), error);
            }
            Ok(id) => {
                let role = role.as_str_name().trim_start_matches("CONTACT_ROLE_").to_ascii_lowercase();
                contacts[n] =
                    json!({"contact_id": id.to_string(), "role": role, "is_primary": contact.is_primary});
            }
            Err(error) => input.refuse(format!("/contacts/{n}/contact_id"), error),
        }
    }
    input.set("contacts", contacts);
}

pub(super) fn show(contact: &Value) -> pb::DealContact {
    let role = contact["role"].as_str().unwrap_or_default().to_ascii_uppercase();
    let role = pb::ContactRole::from_str_name(&format!("CONTACT_ROLE_{role}")).unwrap_or_default();
    pb::DealContact {
        contact_id: contact["contact_id"].as_str().unwrap_or_default().to_owned(),
        role: role.into(),
        is_primary: contact["is_primary"] == true,
        deleted: contact["deleted"] == true,
    }
}

/// The contacts sent, with what was known of them before.
fn as_known(before: &Value, after: Value) -> Value {
    let is_deleted = |id: Option<Uuid>| items(before).any(|b| who(b) == id && b["deleted"] == true);
    let known = |mut contact: Value| {
        if is_deleted(who(&contact)) {
            contact["deleted"] = true.into();
        }
        contact
    };
    match after {
        Value::Array(contacts) => contacts.into_iter().map(known).collect(),
        other => other,
    }
}

fn follow(contacts: &Value, object: &str, id: Uuid, state: State) -> Value {
    let followed = items(contacts).filter_map(|contact| {
        let mut contact = contact.clone();
        if object != "contact" || who(&contact) != Some(id) {
            return Some(contact);
        }
        match state {
            State::Live => drop(contact.as_object_mut()?.remove("deleted")),
            State::Deleted => contact["deleted"] = true.into(),
            State::Purged => return None,
        }
        Some(contact)
    });
    followed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_followed_and_keeps_its_part() {
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = |id: Uuid| json!({"contact_id": id.to_string(), "role": "buyer", "is_primary": false});
        let contacts = json!([of(ada), of(bob)]);
        let deleted = follow(&contacts, "contact", ada, State::Deleted);
        assert_eq!(
            (&deleted[0]["deleted"], &deleted[0]["role"], &deleted[1]),
            (&json!(true), &json!("buyer"), &of(bob))
        );
        assert_eq!(follow(&deleted, "contact", ada, State::Live), contacts);
        assert_eq!(follow(&contacts, "contact", ada, State::Purged), json!([of(bob)]));
        assert_eq!(follow(&contacts, "company", ada, State::Purged), contacts);
        // Sent again it is still in the trash.
        assert_eq!(as_known(&deleted, contacts), deleted);
    }

    #[test]
    fn every_wrong_contact_is_told() {
        let contact = |id: &str, role: i32, is_primary: bool| pb::DealContact {
            contact_id: id.to_owned(),
            role,
            is_primary,
            deleted: true,
        };
        let id = Uuid::from_u128(1).to_string();
        let mut input = Input::default();
        read(
            &mut input,
            &[contact(&id, 1, true), contact("x", 1, false), contact(&id, 99, false), contact(&id, 2, true)],
        );
        let found: Vec<_> = input.violations.iter().map(|v| (v.pointer.as_str(), &*v.reason)).collect();
        assert_eq!(
            found,
            [
                ("/contacts/1/contact_id", "UUID_INVALID"),
                ("/contacts/2/role", "ENUM_VALUE_UNKNOWN"),
                ("/contacts/3/is_primary", "PRIMARY_REPEATED"),
                ("/contacts/3/contact_id", "REPEATED"),
            ]
        );
    }
}
