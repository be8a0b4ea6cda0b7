//! What must be true of every schema, asked of the catalog of a migrated database (pitfall 1.1): a table, an index or a
//! grant that forgets the tenant fails here, whoever wrote it.

mod distribution;
mod dump;
mod migrating;
mod migrators;
mod rules;
mod served;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use db::{Migration, Migrations};
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::database::{Database, execute};
use crate::services::{MIGRATIONS as ALL, SERVICES, lists_all};
use rules::{Rule, findings};

#[test]
fn every_schema_of_the_fleet_is_asked() {
    lists_all(|member| member.has_schema);
    assert!(SERVICES.iter().all(|service| service.migrations.schema == service.role.name()), "{ALL:?}");
}

#[test]
fn every_migration_is_declared_in_the_order_of_the_numbers() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    for Migrations { schema, groups, own } in &ALL {
        let templates = [&db::migrate::BASE].into_iter().chain(*groups).map(|g| (g.name, g.migrations));
        let mut last = "";
        for (folder, declared) in templates.chain([(*schema, *own)]) {
            let mut files = BTreeSet::new();
            for file in std::fs::read_dir(root.join(folder))? {
                files.insert(file?.file_name().to_string_lossy().into_owned());
            }
            let both = |m: &Migration| [format!("{}.down.sql", m.name), format!("{}.up.sql", m.name)];
            assert_eq!(declared.iter().flat_map(both).collect::<BTreeSet<_>>(), files, "migrations/{folder}");
            for migration in declared {
                assert!(last < migration.name, "{schema}: {} comes after {last}", migration.name);
                last = migration.name;
            }
        }
    }
    Ok(())
}

async fn catalog() -> Result<PgConnection> {
    static DATABASE: OnceCell<Database> = OnceCell::const_new();
    DATABASE.get_or_try_init(|| Database::fresh("globcrm_test_catalog", &ALL)).await?.admin().await
}

async fn holds(rule: &Rule) -> Result<()> {
    let found = findings(&mut catalog().await?, rule).await?;
    assert!(found.is_empty(), "{}:\n{}", rule.name, found.join("\n"));
    Ok(())
}

#[tokio::test]
async fn every_tenant_table_is_closed_by_row_level_security() -> Result<()> {
    holds(&rules::ROW_LEVEL_SECURITY).await?;
    holds(&rules::POLICIES).await
}

#[tokio::test]
async fn partitions_are_reached_through_their_table_only() -> Result<()> {
    holds(&rules::PARTITIONS).await
}

#[tokio::test]
async fn tables_without_a_tenant_are_listed() -> Result<()> {
    holds(&rules::TENANTLESS).await
}

#[tokio::test]
async fn every_index_of_a_tenant_table_starts_with_the_tenant() -> Result<()> {
    holds(&rules::INDEXES).await
}

#[tokio::test]
async fn every_foreign_key_of_a_tenant_table_starts_with_the_tenant() -> Result<()> {
    holds(&rules::FOREIGN_KEYS).await
}

#[tokio::test]
async fn every_foreign_key_is_served_by_an_index() -> Result<()> {
    holds(&rules::FOREIGN_KEY_INDEXES).await
}

#[tokio::test]
async fn indexed_columns_have_leakproof_operators() -> Result<()> {
    holds(&rules::LEAKPROOF).await
}

#[tokio::test]
async fn roles_have_no_more_power_than_they_need() -> Result<()> {
    holds(&rules::ROLES).await?;
    holds(&rules::MEMBERSHIPS).await?;
    holds(&rules::OWNERSHIP).await?;
    holds(&rules::SCHEMA_PRIVILEGES).await?;
    holds(&rules::TABLE_PRIVILEGES).await
}

#[tokio::test]
async fn views_and_functions_do_not_step_around_the_policies() -> Result<()> {
    holds(&rules::VIEWS).await?;
    holds(&rules::FUNCTIONS).await?;
    holds(&rules::EXECUTABLE).await
}

/// Each rule must notice what it is there for: one schema breaks all of them.
#[tokio::test]
async fn every_rule_notices_its_breach() -> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_breach", &ALL).await?;
    let mut conn = database.admin().await?;
    execute(&mut conn, BREACHES).await?;
    let mut silent = Vec::new();
    let of_the_server = [rules::ROLES.name, rules::MEMBERSHIPS.name];
    for rule in rules::ALL.iter().filter(|rule| !of_the_server.contains(&rule.name)) {
        let found = findings(&mut conn, rule).await?;
        if !found.iter().any(|finding| finding.contains("breach")) {
            silent.push(rule.name);
        }
    }
    assert!(silent.is_empty(), "rules that noticed nothing: {silent:?}");
    // Roles belong to the whole server: made and undone in one transaction that is never committed, while nobody migrates.
    let held = database.hold_roles().await?;
    execute(
        &mut conn,
        "BEGIN; ALTER ROLE globcrm_fields_app BYPASSRLS; ALTER ROLE globcrm_fields_owner LOGIN",
    )
    .await?;
    execute(&mut conn, "GRANT globcrm_fields_owner TO globcrm_fields_worker").await?;
    let powers = findings(&mut conn, &rules::ROLES).await?;
    let memberships = findings(&mut conn, &rules::MEMBERSHIPS).await?;
    execute(&mut conn, "ROLLBACK").await?;
    held.close().await?;
    assert_eq!((powers.len(), memberships.len()), (2, 1), "{powers:?} {memberships:?}");
    Ok(())
}

const BREACHES: &str = "
    SET ROLE globcrm_fields_owner;
    CREATE TABLE fields.breach_open (tenant_id uuid NOT NULL, id uuid NOT NULL, amount numeric, PRIMARY KEY (id));
    CREATE INDEX breach_amount ON fields.breach_open (tenant_id, amount);
    CREATE TABLE fields.breach_child (tenant_id uuid NOT NULL, breach_id uuid REFERENCES fields.breach_open (id));
    ALTER TABLE fields.breach_child ENABLE ROW LEVEL SECURITY;
    ALTER TABLE fields.breach_child FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON fields.breach_child TO globcrm_fields_app USING (true) WITH CHECK (true);
    CREATE TABLE fields.breach_named (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
    CREATE TABLE fields.breach_naming (tenant_id uuid NOT NULL, id uuid NOT NULL, named uuid, ended_at timestamptz,
        PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, named) REFERENCES fields.breach_named);
    CREATE INDEX breach_some ON fields.breach_naming (tenant_id, named) WHERE ended_at IS NULL;
    CREATE INDEX breach_order ON fields.breach_naming (tenant_id, ended_at, named);
    CREATE TABLE fields.breach_tenantless (id uuid PRIMARY KEY);
    CREATE TABLE fields.breach_parent (tenant_id uuid NOT NULL) PARTITION BY HASH (tenant_id);
    CREATE TABLE fields.breach_part PARTITION OF fields.breach_parent FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE VIEW fields.breach_view AS SELECT * FROM fields.field_definition;
    CREATE FUNCTION fields.breach_function() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
    GRANT TRUNCATE ON fields.breach_tenantless TO globcrm_fields_app;
    RESET ROLE;
    CREATE SCHEMA breach_schema;
    GRANT CREATE ON SCHEMA breach_schema TO globcrm_fields_app;
    CREATE TABLE fields.breach_owned (tenant_id uuid NOT NULL);
    ALTER TABLE fields.breach_owned OWNER TO globcrm_fields_app;
";
