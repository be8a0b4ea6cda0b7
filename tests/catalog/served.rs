//! Each standard field against the indexes that there are: what its object declares indexed is served by one, for every comparison and
//! order that the field has, and what it does not is not. The rule of refusals goes by the declarations, so it is as true as they are.

use anyhow::Result;
use auth::{FieldMask, RowPredicate, VerifiedTenant};
use db::{Db, TenantTx};
use query::{Deleted, Limits, List, ListRequest, Projection, Schema, filter};
use record::Object;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::ALL;
use crate::database::{Database, execute};
use crate::services::SERVICES;

const TENANT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

/// Values of every type; a field takes those of its own.
const VALUES: [&str; 10] = [
    r#""x""#,
    "5",
    "true",
    // Before and after all records: an index that finds all of them is no better than none.
    "1970-01-02",
    "2126-01-02",
    "2026-01-02T03:04:05Z",
    r#""01900000-0000-7000-8000-0000000000aa""#,
    r#""12.00 EUR""#,
    r#""lead""#,
    r#""api""#,
];
const OPERATORS: [&str; 4] = ["=", "<", ">=", ":"];

#[tokio::test]
async fn what_is_declared_indexed_is_served_by_an_index_and_nothing_else_is() -> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_served", &ALL).await?;
    let mut sql = database.admin().await?;
    // It serves the columns of a board, two columns deep. A plan reads all of it for any other, and does not say so.
    execute(&mut sql, "DROP INDEX pipeline.deals_board").await?;
    let (mut asked, mut wrong) = (0, Vec::new());
    for service in SERVICES {
        let db = Db::new(&database.config(service.role.name()), service.role.name())?;
        for &object in service.objects {
            fill(&mut sql, object).await?;
            let (of_object, differing) = differing(&db, object).await?;
            asked += of_object;
            wrong.extend(differing);
        }
        db.close().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 250, "only {asked} lists were asked for");
    Ok(())
}

/// The comparison itself must notice a missing index, whatever kind of field it serves, and one that is not declared.
#[tokio::test]
async fn a_missing_and_an_undeclared_index_are_noticed() -> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_served_breach", &ALL).await?;
    let mut sql = database.admin().await?;
    let service = SERVICES.iter().find(|service| service.role == fleet::Role::Records).expect("records");
    execute(
        &mut sql,
        "DROP INDEX records.contacts_lifecycle, records.contacts_last_name, records.contacts_deleted_at, records.contact_email_domain;
         CREATE INDEX contacts_score ON records.contacts (tenant_id, score, id) WHERE deleted_at IS NULL",
    )
    .await?;
    let db = Db::new(&database.config("records"), "records")?;
    let contact = service.objects[0];
    fill(&mut sql, contact).await?;
    let (_, found) = differing(&db, contact).await?;
    db.close().await;
    for field in ["lifecycle", "last_name", "deleted_at", "emails.domain", "score"] {
        assert!(found.iter().any(|line| line.contains(&format!(" {field}"))), "{field}: {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("first_name")), "{found:#?}");
    Ok(())
}

/// The number of lists asked for, and those where the declaration and the plan differ.
async fn differing(db: &Db, object: &'static Object) -> Result<(usize, Vec<String>)> {
    let (mut asked, mut wrong) = (0, Vec::new());
    for rows in [Deleted::Hidden, Deleted::Only] {
        for field in object.table().fields {
            let filters = OPERATORS.map(|operator| {
                let filters = VALUES.iter().map(|value| format!("{} {operator} {value}", field.name()));
                filters.map(|filter| (filter, String::new())).collect::<Vec<_>>()
            });
            for lists in filters.into_iter().chain([vec![(String::new(), field.name().to_owned())]]) {
                let (mut served, mut allowed) = (Vec::new(), false);
                for (filter, order_by) in &lists {
                    // What the field cannot be asked is refused whatever the price.
                    if let Some(plan) = plan(db, object, rows, filter, order_by).await? {
                        allowed = is_allowed(object, rows, filter, order_by)?;
                        let is_served =
                            if order_by.is_empty() { finds(&plan, object) } else { !plan.contains("Sort") };
                        served.push((is_served, format!("{filter}{order_by}\n{plan}")));
                    }
                }
                asked += served.len();
                let is_served = served.iter().any(|(is_served, _)| *is_served);
                if let Some((_, plan)) =
                    served.iter().find(|(one, _)| *one == is_served).filter(|_| allowed != is_served)
                {
                    let verdict = if allowed { "no index serves" } else { "an index serves, undeclared:" };
                    wrong.push(format!("{} ({rows:?}): {verdict} {plan}", object.name));
                }
            }
        }
    }
    Ok((asked, wrong))
}

fn request<'a>(
    object: &'static Object,
    rows: Deleted,
    expr: Option<&'a filter::Expr>,
    order_by: &'a str,
    mask: &'a FieldMask,
    limits: Limits,
) -> ListRequest<'a> {
    ListRequest {
        schema: Schema {
            table: object.table(),
            custom: &[],
            mask,
            region: None,
            now: time::OffsetDateTime::UNIX_EPOCH,
        },
        predicate: &RowPredicate::Always,
        fixed: &[],
        deleted: rows,
        filter: expr,
        order_by,
        limits,
    }
}

fn parse(filter: &str) -> Result<Option<filter::Expr>> {
    filter::parse(filter).map_err(|error| anyhow::anyhow!("{filter}: {error}"))
}

fn is_allowed(object: &'static Object, rows: Deleted, filter: &str, order_by: &str) -> Result<bool> {
    let (expr, mask) = (parse(filter)?, FieldMask::default());
    Ok(List::new(TENANT, &request(object, rows, expr.as_ref(), order_by, &mask, Limits::default())).is_ok())
}

/// The plan of the list's first statement; `None` where there is no such list.
async fn plan(
    db: &Db,
    object: &'static Object,
    rows: Deleted,
    filter: &str,
    order_by: &str,
) -> Result<Option<String>> {
    let (expr, mask) = (parse(filter)?, FieldMask::default());
    let Ok(list) = List::new(TENANT, &request(object, rows, expr.as_ref(), order_by, &mask, Limits::NONE))
    else {
        return Ok(None);
    };
    let projection = Projection::parse(&[], None, &mask, "").map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut tx = TenantTx::begin(db, VerifiedTenant::from_claim(TENANT.into())).await?;
    // The question is what an index can serve, not from which number of rows on it pays. A bitmap finds values and has no order.
    let off = if order_by.is_empty() {
        ["enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_mergejoin", "enable_hashjoin"]
    } else {
        ["enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort", "enable_material"]
    };
    for off in off {
        sqlx::query("SELECT set_config($1, 'off', true)").bind(off).execute(tx.conn()).await?;
    }
    // Of a filter all that passes, so that walking along another index until a page is full is no way out.
    let page = if order_by.is_empty() { 100_000 } else { 50 };
    let statement = list.statements(&projection, page).into_iter().next().expect("a statement");
    let lines = statement.explain().into_query().fetch_all(tx.conn()).await?;
    let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    tx.rollback().await?;
    Ok(Some(lines.join("\n")))
}

/// Whether an index finds the value, and none is walked for all rows of the object.
fn finds(plan: &str, object: &Object) -> bool {
    let table = object.table.split_once('.').map_or(object.table, |(_, table)| table);
    let mut names_value = false;
    let mut scans_object = false;
    for line in plan.lines() {
        if line.contains(" on ") {
            scans_object = line.contains(&format!(" on {table}")) || line.contains(&format!(" {table}_"));
        }
        let Some((_, condition)) = line.split_once("Index Cond: ") else { continue };
        let mut parts = condition.trim_matches(['(', ')']).split(" AND ").peekable();
        let beyond: Vec<&str> = parts.by_ref().filter(|part| !part.contains("tenant_id")).collect();
        if scans_object && beyond.is_empty() {
            return false;
        }
        names_value |= beyond.iter().any(|part| part.contains(['\'', '5']) || part.contains("= true"));
    }
    names_value
}

/// Gives the tenant records, live and deleted: of every column that must have a value, any.
async fn fill(sql: &mut PgConnection, object: &Object) -> Result<()> {
    let (schema, table) = object.table.split_once('.').expect("a schema");
    // What values a row may have is not the question.
    let drop = format!(
        "DO $$ DECLARE name text; BEGIN
             FOR name IN SELECT conname FROM pg_constraint
                 WHERE conrelid = '{schema}.{table}'::regclass AND contype IN ('c', 'f') AND conparentid = 0
             LOOP EXECUTE format('ALTER TABLE {schema}.{table} DROP CONSTRAINT %I', name); END LOOP;
         END $$"
    );
    execute(sql, drop).await?;
    let row: serde_json::Value = sqlx::query_scalar(
        r#"SELECT jsonb_object_agg(a.attname, CASE format_type(a.atttypid, NULL)
                WHEN 'uuid' THEN to_jsonb($2::uuid)
                WHEN 'timestamp with time zone' THEN to_jsonb(now())
                WHEN 'jsonb' THEN '[]' WHEN 'text[]' THEN '[]' WHEN 'boolean' THEN 'false'
                WHEN 'bigint' THEN '1' WHEN 'integer' THEN '1' ELSE '"api"' END::jsonb)
           FROM pg_attribute AS a WHERE a.attrelid = $1::regclass AND a.attnotnull AND a.attnum > 0"#,
    )
    .bind(object.table)
    .bind(TENANT)
    .fetch_one(&mut *sql)
    .await?;
    for deleted in ["'{}'", "jsonb_build_object('deleted_at', now(), 'deleted_by', gen_random_uuid())"] {
        let text = format!(
            "INSERT INTO {schema}.{table}
             SELECT r.* FROM generate_series(1, 1500) AS n,
                 LATERAL jsonb_populate_record(NULL::{schema}.{table},
                     '{row}'::jsonb || jsonb_build_object('id', gen_random_uuid(), 'n', n) || {deleted}) AS r"
        );
        execute(sql, text).await?;
    }
    execute(sql, format!("ANALYZE {schema}.{table}")).await
}
