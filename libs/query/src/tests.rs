mod golden;
mod refusals;
mod selects;

use auth::{Access, FieldMask, RowPredicate};
use error::Error;
use field_types::FieldType;
use uuid::Uuid;

use crate::list::Phase;
use crate::{
    Bind, Column, CustomField, Deleted, Field, Limits, List, ListRequest, Projection, Schema, Set, SetKind,
    Sql, Table, filter,
};

/// The moment of every call.
pub(crate) const NOW: time::OffsetDateTime = time::macros::datetime!(2026-01-02 3:04:05 UTC);

pub(crate) static CONTACTS: Table = Table {
    object: "contact",
    name: "records.contacts",
    deleted_at: Some("deleted_at"),
    has_custom: true,
    fields: &[
        Field::uuid("id", "id").indexed(),
        Field::searchable("last_name", "last_name", "last_name_key").nullable().indexed(),
        Field::text("timezone", "timezone").nullable(),
        Field::integer("score", "score").nullable(),
        Field::boolean("do_not_call", "do_not_call"),
        Field::date("birthday", "birthday").nullable(),
        Field::timestamp("created_at", "created_at").indexed(),
        Field::timestamp("deleted_at", "deleted_at").nullable().indexed_in_trash(),
        Field::passed("late", "late_at").nullable().indexed(),
        Field::uuid("owner_id", "owner_id").nullable(),
        Field::choice("lifecycle", "lifecycle", &["lead", "customer"]).nullable(),
        Field::money("revenue", "revenue_minor", "revenue_currency").nullable().indexed(),
        Field::set(
            "tags",
            "tag",
            Set {
                table: "records.contact_tag",
                parent: "contact_id",
                kind: SetKind::Text { key: Some("tag_key") },
            },
        ),
        Field::set(
            "emails.address",
            "address",
            Set { table: "records.contact_email", parent: "contact_id", kind: SetKind::Email },
        )
        .reads(&["emails"]),
        Field::set(
            "emails.domain",
            "domain",
            Set { table: "records.contact_email", parent: "contact_id", kind: SetKind::Domain },
        )
        .reads(&["emails"]),
    ],
};

pub(crate) const COLUMNS: &[Column] = &[
    Column { name: "version", fields: &[] },
    Column { name: "first_name", fields: &["first_name", "full_name"] },
    Column { name: "last_name", fields: &["last_name", "full_name"] },
    Column { name: "emails", fields: &["emails"] },
];

pub(crate) fn custom_fields() -> Vec<CustomField> {
    let field = |key: &str, field_type, slot: &str| CustomField {
        key: key.into(),
        field_type,
        slot: slot.parse().ok(),
        options: ["gold", "silver", "tin", "red", "blue"].map(str::to_owned).to_vec(),
    };
    vec![
        field("tier", FieldType::Picklist, "txt_01"),
        field("nick", FieldType::Text, "txt_02"),
        field("seats", FieldType::Integer, "num_01"),
        field("budget", FieldType::Money, "num_02"),
        field("active", FieldType::Boolean, "num_03"),
        field("renewal", FieldType::Date, "ts_01"),
        field("boss", FieldType::Lookup, "ref_01"),
        field("colours", FieldType::MultiPicklist, ""),
        field("memo", FieldType::LongText, ""),
        field("loose", FieldType::Decimal, ""),
        field("loose_text", FieldType::Text, ""),
        field("loose_money", FieldType::Money, ""),
        field("loose_date", FieldType::Date, ""),
        field("secret", FieldType::Integer, "num_04"),
    ]
}

pub(crate) fn mask() -> FieldMask {
    let hidden = ["custom.secret", "custom.later", "emails", "birthday"];
    FieldMask::new(hidden.into_iter().map(|name| (name.to_owned(), Access::None)))
}

pub(crate) struct Ask<'a> {
    pub(crate) filter: &'a str,
    pub(crate) order_by: &'a str,
    pub(crate) predicate: RowPredicate,
    pub(crate) mask: FieldMask,
    pub(crate) limits: Limits,
    pub(crate) deleted: Deleted,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            filter: "",
            order_by: "",
            predicate: RowPredicate::Always,
            mask: FieldMask::default(),
            limits: Limits::default(),
            deleted: Deleted::Hidden,
        }
    }
}

impl Ask<'_> {
    /// Runs `then` on the checked list.
    pub(crate) fn list<T>(&self, then: impl FnOnce(&List<'_>) -> T) -> Result<T, Error> {
        let custom = custom_fields();
        let expr = filter::parse(self.filter)?;
        let request = ListRequest {
            schema: Schema { table: &CONTACTS, custom: &custom, mask: &self.mask, region: None, now: NOW },
            predicate: &self.predicate,
            fixed: &[],
            deleted: self.deleted,
            filter: expr.as_ref(),
            order_by: self.order_by,
            limits: self.limits,
        };
        List::new(Uuid::nil(), &request).map(|list| then(&list))
    }

    /// What follows the live-row condition in the first statement.
    pub(crate) fn sql(&self) -> Result<String, Error> {
        self.list(|list| statement(list, Phase::Set).text().to_owned())
    }

    /// The condition that the filter becomes, with its binds from `$2` on.
    pub(crate) fn condition(&self) -> Result<(String, Vec<Bind>), Error> {
        self.list(|list| {
            let sql = list.count_statement(777);
            let text = sql.text().to_owned();
            let start = text.find("IS NULL AND ").map_or(text.len(), |at| at + "IS NULL AND ".len());
            let end = text.rfind(" LIMIT ").unwrap_or(text.len());
            let binds = sql.binds()[1..sql.binds().len() - 1].to_vec();
            (text.get(start..end).unwrap_or_default().to_owned(), binds)
        })
    }
}

pub(crate) fn statement(list: &List<'_>, phase: Phase) -> Sql {
    let projection = Projection::parse(&[], None, &FieldMask::default(), "").unwrap();
    list.statement(&projection, phase, None, 51)
}
