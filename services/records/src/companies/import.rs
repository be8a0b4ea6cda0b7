//! Companies out of files.

use imports::cells::Cells;
use imports::importable::{ADDRESSES, Importable, Key, Kind, PHONES, TAGS, Texts, nothing_named, settled};
use input::Input;
use proto::records::v1 as pb;
use record::{Env, Reader};

use super::columns::COLUMNS;
use super::{COMPANY, store, wire};

/// A row repeats the company that has its id in another system, else the one that has its domain.
pub(crate) static COMPANIES: Importable = Importable {
    object: &COMPANY,
    values: &[
        ("owner_id", Kind::Id),
        ("team_id", Kind::Id),
        ("name", Kind::Line),
        ("legal_name", Kind::Line),
        ("parent_id", Kind::Id),
        ("industry", Kind::Line),
        ("employee_count", Kind::Integer(0, 2_000_000_000)),
        ("annual_revenue", Kind::Money),
        ("tax_id", Kind::Line),
        ("description", Kind::Lines),
        ("lifecycle", Kind::Lifecycle),
    ],
    texts: &[TAGS, Texts { field: "domains", most: 20 }],
    lists: &[PHONES, ADDRESSES],
    joins: &[],
    by_id: false,
    names: &[],
    check_names: nothing_named,
    settle: settled,
    attached: None,
    columns: COLUMNS,
    analyze: "SELECT records.analyze_companies($1)",
    needs: &["name"],
    keys: &[
        Key { field: "external_ids", is_unique: true, holders: store::IMPORTED_EXTERNAL_IDS },
        Key { field: "domains", is_unique: true, holders: store::IMPORTED_DOMAINS },
    ],
    read,
};

fn read(env: &Env, mut cells: Cells) -> Input {
    let company = pb::Company {
        owner_id: cells.text("owner_id"),
        team_id: cells.text("team_id"),
        external_ids: std::mem::take(&mut cells.external_ids),
        tags: cells.texts("tags"),
        name: cells.text("name"),
        legal_name: cells.text("legal_name"),
        domains: cells.texts("domains"),
        parent_id: cells.text("parent_id"),
        industry: cells.text("industry"),
        employee_count: cells.integer("employee_count"),
        annual_revenue: cells.money("annual_revenue"),
        phones: cells.phones(),
        addresses: cells.addresses(),
        tax_id: cells.text("tax_id"),
        description: cells.text("description"),
        lifecycle: cells.lifecycle,
        ..Default::default()
    };
    Reader::read::<wire::Company>(env, &company, &cells.names())
}
