//! A database of its own with one table of every kind of field, two tenants and an app role without privileges.

use std::future::Future;
use std::str::FromStr;

use auth::{FieldMask, RowPredicate, VerifiedTenant};
use db::{DatabaseConfig, Db, TenantTx};
use error::Error;
use field_types::{FieldOption, FieldRules, FieldType, SlotColumn, SlotKind, SlotValue, search_key, slot};
use query::{
    Column, CursorKey, CustomField, Deleted, Field, Limits, List, ListRequest, Page, Projection, Schema, Set,
    SetKind, Table, fetch_page, filter,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use testkit::backing::Backing;
use testkit::{Progress, Purpose, Workspace};
use uuid::Uuid;

use super::generate;

pub(crate) static THINGS: Table = Table {
    object: "thing",
    name: "query_it.thing",
    deleted_at: Some("deleted_at"),
    has_custom: true,
    fields: &[
        Field::searchable("name", "name", "name_key").nullable().indexed(),
        Field::text("zone", "zone").nullable(),
        Field::integer("score", "score").nullable(),
        Field::float("ratio", "ratio").nullable(),
        Field::boolean("flag", "flag"),
        Field::date("day", "day").nullable(),
        Field::timestamp("made_at", "made_at").indexed(),
        Field::choice("mood", "mood", &["lead", "customer"]).nullable(),
        Field::money("revenue", "revenue_minor", "revenue_currency").nullable(),
        Field::uuid("owner_id", "owner_id").nullable(),
        Field::set(
            "tags",
            "tag",
            Set {
                table: "query_it.thing_tag",
                parent: "thing_id",
                kind: SetKind::Text { key: Some("tag_key") },
            },
        ),
    ],
};

pub(crate) const COLUMNS: &[Column] =
    &[Column { name: "name", fields: &["name"] }, Column { name: "score", fields: &["score"] }];

/// The type of every field, for the evaluation in memory. Standard fields are read by the custom type that is alike.
pub(crate) const TYPES: &[(&str, FieldType, &str)] = &[
    ("name", FieldType::Text, ""),
    ("zone", FieldType::Text, ""),
    ("score", FieldType::Integer, ""),
    ("ratio", FieldType::Decimal, ""),
    ("flag", FieldType::Boolean, ""),
    ("day", FieldType::Date, ""),
    ("made_at", FieldType::Datetime, ""),
    ("mood", FieldType::Picklist, ""),
    ("revenue", FieldType::Money, ""),
    ("owner_id", FieldType::Lookup, ""),
    ("custom.tier", FieldType::Picklist, "txt_01"),
    ("custom.nick", FieldType::Text, "txt_02"),
    ("custom.mail", FieldType::Email, "txt_03"),
    ("custom.seats", FieldType::Integer, "num_01"),
    ("custom.budget", FieldType::Money, "num_02"),
    ("custom.active", FieldType::Boolean, "num_03"),
    ("custom.renewal", FieldType::Date, "ts_01"),
    ("custom.seen", FieldType::Datetime, "ts_02"),
    ("custom.boss", FieldType::Lookup, "ref_01"),
    ("custom.colours", FieldType::MultiPicklist, ""),
    ("custom.memo", FieldType::LongText, ""),
    ("custom.loose", FieldType::Decimal, ""),
    ("custom.loose_text", FieldType::Text, ""),
    ("custom.loose_flag", FieldType::Boolean, ""),
    ("custom.loose_money", FieldType::Money, ""),
    ("custom.loose_date", FieldType::Date, ""),
    ("custom.loose_seen", FieldType::Datetime, ""),
    ("custom.loose_ref", FieldType::Lookup, ""),
];

/// The options of every picklist.
const OPTIONS: [&str; 7] = ["gold", "silver", "tin", "red", "blue", "lead", "customer"];

/// A row as the evaluation in memory sees it: canonical values by public name, unset ones absent.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) id: Uuid,
    pub(crate) owner: Option<Uuid>,
    pub(crate) team: Option<Uuid>,
    pub(crate) deleted: bool,
    pub(crate) values: Map<String, Value>,
    pub(crate) tags: Vec<String>,
}

pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) tenant: VerifiedTenant,
    pub(crate) other: VerifiedTenant,
    pub(crate) things: Vec<Thing>,
    pub(crate) custom: Vec<CustomField>,
    pub(crate) mask: FieldMask,
    pub(crate) key: CursorKey,
    admin: PgConnectOptions,
    name: String,
    /// Keeps the server running.
    _backing: Option<Backing>,
}

/// One list as a test asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) filter: String,
    pub(crate) order_by: String,
    pub(crate) predicate: RowPredicate,
    pub(crate) deleted: Deleted,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            filter: String::new(),
            order_by: String::new(),
            predicate: RowPredicate::Always,
            deleted: Deleted::Hidden,
        }
    }
}

/// Runs a test with `rows` rows for each of the two tenants, and removes the database afterwards.
pub(crate) fn with_things<F: Future<Output = ()>>(rows: usize, test: impl FnOnce(std::rc::Rc<Fixture>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = std::rc::Rc::new(Fixture::new(rows).await);
        test(fixture.clone()).await;
        fixture.remove().await;
    });
}

impl Fixture {
    async fn new(rows: usize) -> Self {
        let (admin_url, backing) = admin_url();
        let admin = PgConnectOptions::from_str(&admin_url).unwrap();
        let name = format!("query_it_{}", Uuid::from_u128(rand_u128()).simple());
        let password = Uuid::from_u128(rand_u128()).simple().to_string();
        let mut root = admin.connect().await.expect("the test server answers");
        run(&mut root, &format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await;
        run(&mut root, &format!("CREATE DATABASE {name}")).await;
        root.close().await.unwrap();
        let mut owner = admin.clone().database(&name).connect().await.unwrap();
        run(&mut owner, &schema(&name)).await;
        let tenant = VerifiedTenant::from_claim(Uuid::from_u128(1).into());
        let other = VerifiedTenant::from_claim(Uuid::from_u128(2).into());
        let things = generate::things(rows, 7);
        insert(&mut owner, tenant, &things).await;
        // The neighbour has the same values under other ids.
        insert(&mut owner, other, &generate::things(rows, 8)).await;
        run(&mut owner, "ANALYZE query_it.thing; ANALYZE query_it.thing_tag").await;
        owner.close().await.unwrap();
        let app = admin.clone().database(&name).username(&name).password(&password);
        let config = DatabaseConfig {
            url: SecretString::from(app.to_url_lossy().to_string()),
            worker_url: SecretString::from(""),
            max_connections: 2,
            tenant_connections: None,
            acquire: config::Seconds(std::time::Duration::from_secs(10)),
            statement_timeout: config::Seconds(std::time::Duration::from_secs(30)),
        };
        Self {
            db: Db::new(&config, "query_it").unwrap(),
            tenant,
            other,
            things,
            custom: custom_fields(),
            mask: FieldMask::default(),
            key: CursorKey::new(&SecretString::from("k".repeat(32))).unwrap(),
            admin,
            name,
            _backing: backing,
        }
    }

    async fn remove(&self) {
        self.db.close().await;
        let mut root = self.admin.connect().await.unwrap();
        run(&mut root, &format!("DROP DATABASE {}", self.name)).await;
        run(&mut root, &format!("DROP ROLE {}", self.name)).await;
        root.close().await.unwrap();
    }

    pub(crate) fn schema(&self) -> Schema<'_> {
        Schema {
            table: &THINGS,
            custom: &self.custom,
            mask: &self.mask,
            region: None,
            now: time::OffsetDateTime::UNIX_EPOCH,
        }
    }

    pub(crate) fn projection(&self) -> Projection {
        Projection::parse(COLUMNS, Some(&self.custom), &self.mask, "").unwrap()
    }

    /// Reads one page.
    pub(crate) async fn page(
        &self,
        tenant: VerifiedTenant,
        ask: &Ask,
        page_size: usize,
        token: &str,
    ) -> Result<Page, Error> {
        let expr = filter::parse(&ask.filter)?;
        let list = List::new(tenant.id().uuid(), &self.request(ask, expr.as_ref()))?;
        let mut tx = TenantTx::begin(&self.db, tenant).await?;
        let page = fetch_page(&mut tx, &list, &self.projection(), &self.key, page_size, token).await;
        tx.commit().await?;
        page
    }

    pub(crate) fn request<'a>(&'a self, ask: &'a Ask, expr: Option<&'a filter::Expr>) -> ListRequest<'a> {
        ListRequest {
            schema: self.schema(),
            predicate: &ask.predicate,
            fixed: &[],
            deleted: ask.deleted,
            filter: expr,
            order_by: &ask.order_by,
            limits: Limits::NONE,
        }
    }

    /// The ids of all pages, in order.
    pub(crate) async fn all_ids(&self, ask: &Ask, page_size: usize) -> Result<Vec<Uuid>, Error> {
        let mut ids = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.page(self.tenant, ask, page_size, &token).await?;
            assert!(page.rows.len() <= page_size);
            assert!(
                page.next_page_token.is_empty() || page.rows.len() == page_size,
                "a short page is the last one"
            );
            ids.extend(page.rows.iter().map(|row| row.get::<Uuid, _>("_id")));
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(ids);
            }
        }
    }
}

/// The server of the test run, or one of our own.
fn admin_url() -> (String, Option<Backing>) {
    #[allow(clippy::disallowed_methods, reason = "a server named by hand, for work on this suite alone")]
    if let Ok(url) = std::env::var("GLOBCRM_TEST_POSTGRES_ADMIN_URL") {
        return (url, None);
    }
    let workspace = Workspace::here().unwrap();
    let backing = Backing::start(&workspace, Purpose::Test, &Progress::audible()).expect(
        "needs PostgreSQL: run `cargo xtask test`, or name a server in GLOBCRM_TEST_POSTGRES_ADMIN_URL",
    );
    (backing.postgres_admin_url().to_owned(), Some(backing))
}

fn rand_u128() -> u128 {
    #[allow(clippy::disallowed_methods, reason = "a name for a database, not a record's id")]
    Uuid::now_v7().as_u128().rotate_left(64)
}

async fn run(connection: &mut PgConnection, sql: &str) {
    #[allow(
        clippy::disallowed_methods,
        reason = "the fixture's own tables; names made above from hexadecimal digits"
    )]
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

fn schema(role: &str) -> String {
    let mut slots = String::new();
    let mut indexes = String::new();
    for slot in SlotColumn::all() {
        let kind = match slot.kind() {
            SlotKind::Num => "float8",
            SlotKind::Text => "text COLLATE \"C\"",
            SlotKind::Time => "timestamptz",
            SlotKind::Ref => "uuid",
        };
        let name = slot.name();
        slots += &format!(", {name} {kind}");
        indexes +=
            &format!("CREATE INDEX ON query_it.thing (tenant_id, {name}, id) WHERE {name} IS NOT NULL;");
    }
    format!(
        "CREATE SCHEMA query_it;
         CREATE TABLE query_it.thing (
           tenant_id uuid NOT NULL, id uuid NOT NULL, owner_id uuid, team_id uuid, deleted_at timestamptz,
           name text, name_key text COLLATE \"C\", zone text, score int4, ratio float8, flag bool NOT NULL, day date,
           made_at timestamptz NOT NULL, mood text, revenue_minor int8, revenue_currency text,
           custom jsonb NOT NULL {slots}, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
         CREATE TABLE query_it.thing_0 PARTITION OF query_it.thing FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE query_it.thing_1 PARTITION OF query_it.thing FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE INDEX ON query_it.thing (tenant_id, name_key, id);
         CREATE INDEX ON query_it.thing (tenant_id, made_at, id);
         CREATE TABLE query_it.thing_tag (
           tenant_id uuid NOT NULL, thing_id uuid NOT NULL, tag text NOT NULL, tag_key text COLLATE \"C\" NOT NULL,
           PRIMARY KEY (tenant_id, thing_id, tag));
         CREATE INDEX ON query_it.thing_tag (tenant_id, tag_key, thing_id);
         {indexes}
         ALTER TABLE query_it.thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         ALTER TABLE query_it.thing_tag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON query_it.thing USING (tenant_id = current_setting('app.tenant')::uuid);
         CREATE POLICY tenant ON query_it.thing_tag USING (tenant_id = current_setting('app.tenant')::uuid);
         GRANT USAGE ON SCHEMA query_it TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA query_it TO {role};"
    )
}

fn custom_fields() -> Vec<CustomField> {
    let custom = TYPES.iter().filter_map(|(name, field_type, slot)| {
        let key = name.strip_prefix("custom.")?.to_owned();
        let options = OPTIONS.map(str::to_owned).to_vec();
        Some(CustomField { key, field_type: *field_type, slot: slot.parse().ok(), options })
    });
    custom.collect()
}

/// A canonical value, as the write path of a service makes it.
pub(crate) fn canonical(field_type: FieldType, value: &Value) -> Option<Value> {
    let option = |key: &str| FieldOption { key: key.into(), label: key.into(), retired: false };
    let options = OPTIONS.map(option);
    let rules = FieldRules { options: &options, ..FieldRules::default() };
    field_types::parse(field_type, value, &rules)
        .expect("a valid sample")
        .map(field_types::Canonical::into_json)
}

async fn insert(connection: &mut PgConnection, tenant: VerifiedTenant, things: &[Thing]) {
    let tenant = tenant.id().uuid();
    let rows: Vec<Value> = things.iter().map(|thing| row(tenant, thing)).collect();
    let tags: Vec<Value> = things
        .iter()
        .flat_map(|thing| {
            thing.tags.iter().map(move |tag| {
                json!({"tenant_id": tenant, "thing_id": thing.id, "tag": tag, "tag_key": search_key(tag)})
            })
        })
        .collect();
    sqlx::query(
        "INSERT INTO query_it.thing SELECT * FROM jsonb_populate_recordset(NULL::query_it.thing, $1)",
    )
    .bind(Value::from(rows))
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO query_it.thing_tag SELECT * FROM jsonb_populate_recordset(NULL::query_it.thing_tag, $1)",
    )
    .bind(Value::from(tags))
    .execute(connection)
    .await
    .unwrap();
}

fn row(tenant: Uuid, thing: &Thing) -> Value {
    let get = |name: &str| thing.values.get(name).cloned().unwrap_or(Value::Null);
    let revenue = get("revenue");
    let mut row = json!({
        "tenant_id": tenant, "id": thing.id, "owner_id": thing.owner, "team_id": thing.team,
        "deleted_at": thing.deleted.then_some("2026-01-01T00:00:00Z"),
        "name": get("name"), "name_key": get("name").as_str().map(search_key),
        "revenue_minor": revenue.get("amount_minor"), "revenue_currency": revenue.get("currency"),
    });
    for name in ["zone", "score", "ratio", "flag", "day", "made_at", "mood"] {
        row[name] = get(name);
    }
    row["custom"] = json!({});
    for (name, field_type, column) in TYPES {
        let (Some(key), Some(value)) = (name.strip_prefix("custom."), thing.values.get(*name)) else {
            continue;
        };
        row["custom"][key] = value.clone();
        if !column.is_empty() {
            row[*column] = match slot(*field_type, value).unwrap() {
                SlotValue::Num(number) => number.into(),
                SlotValue::Text(text) => text.into(),
                SlotValue::Time(moment) => field_types::moment::datetime_text(moment).into(),
                SlotValue::Ref(id) => id.to_string().into(),
            };
        }
    }
    row
}
