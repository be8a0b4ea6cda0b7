//! Contacts out of files.

use imports::cells::Cells;
use imports::importable::{ADDRESSES, EMAIL, Importable, Key, Kind, List, PHONES, TAGS, settled};
use input::Input;
use proto::records::v1 as pb;
use record::{Env, Reader};

use super::columns::COLUMNS;
use super::{CONTACT, store, wire};
use crate::naming;

/// A row repeats the contact that has its id in another system, else one that has its address.
pub(crate) static CONTACTS: Importable = Importable {
    object: &CONTACT,
    values: &[
        ("owner_id", Kind::Id),
        ("team_id", Kind::Id),
        ("first_name", Kind::Line),
        ("last_name", Kind::Line),
        ("job_title", Kind::Line),
        ("department", Kind::Line),
        ("language", Kind::Line),
        ("timezone", Kind::Line),
        ("birthday", Kind::Date),
        ("lifecycle", Kind::Lifecycle),
        ("lead_source", Kind::Line),
        ("score", Kind::Integer(-1_000_000, 1_000_000)),
        ("do_not_call", Kind::Flag),
        ("do_not_email", Kind::Flag),
    ],
    texts: &[TAGS],
    lists: &[
        List { field: "emails", same: Some("address"), parts: EMAIL, most: 10 },
        PHONES,
        ADDRESSES,
        List { field: "consents", same: None, parts: &["purpose", "basis", "given_at", "source"], most: 20 },
    ],
    joins: &[],
    by_id: false,
    names: naming::COMPANY_OF_CONTACT,
    check_names: naming::check_names,
    settle: settled,
    attached: Some(&naming::Links),
    columns: COLUMNS,
    analyze: "SELECT records.analyze_contacts($1)",
    needs: &["first_name", "last_name", "emails.address"],
    keys: &[
        Key { field: "external_ids", is_unique: true, holders: store::IMPORTED_EXTERNAL_IDS },
        Key { field: "emails", is_unique: false, holders: store::IMPORTED_EMAILS },
    ],
    read,
};

fn read(env: &Env, mut cells: Cells) -> Input {
    let contact = pb::Contact {
        owner_id: cells.text("owner_id"),
        team_id: cells.text("team_id"),
        external_ids: std::mem::take(&mut cells.external_ids),
        tags: cells.texts("tags"),
        first_name: cells.text("first_name"),
        last_name: cells.text("last_name"),
        job_title: cells.text("job_title"),
        department: cells.text("department"),
        emails: cells.emails(),
        phones: cells.phones(),
        addresses: cells.addresses(),
        language: cells.text("language"),
        timezone: cells.text("timezone"),
        birthday: cells.text("birthday"),
        lifecycle: cells.lifecycle,
        lead_source: cells.text("lead_source"),
        score: cells.integer("score"),
        do_not_call: cells.flag("do_not_call"),
        do_not_email: cells.flag("do_not_email"),
        consents: cells.consents(),
        ..Default::default()
    };
    Reader::read::<wire::Contact>(env, &contact, &cells.names())
}
