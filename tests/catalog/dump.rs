//! Migrations go up, down and up again, and nothing tells that they did.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use super::ALL;
use crate::database::Database;

#[tokio::test]
async fn up_down_and_up_again_give_the_same_schema() -> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_dump", &ALL).await?;
    let mut admin = database.admin().await?;
    let first = dump(&database).await?;
    ensure!(first.contains("CREATE POLICY"), "the dump shows no policies:\n{first}");
    for migrations in &ALL {
        migrations.down(&mut admin).await?;
    }
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE ANY($1) AND c.relname NOT LIKE 'schema\\_migration%'
         UNION ALL
         SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname LIKE ANY($1)
         ORDER BY 1",
    )
    .bind(ALL.iter().map(|migrations| migrations.schema).collect::<Vec<_>>())
    .fetch_all(&mut admin)
    .await?;
    assert!(left.is_empty(), "left behind by the way down: {left:?}");
    for migrations in &ALL {
        migrations.up(&mut admin).await?;
    }
    let second = dump(&database).await?;
    let differing: Vec<_> = first.lines().zip(second.lines()).filter(|(a, b)| a != b).take(5).collect();
    assert!(first == second, "the schema differs after down and up, first in {differing:#?}");
    Ok(())
}

#[tokio::test]
async fn an_operation_of_each_kind_does_not_hold_up_the_way_down() -> Result<()> {
    let schemas = [records::MIGRATIONS];
    let database = Database::fresh("globcrm_test_catalog_operations", &schemas).await?;
    let mut admin = database.admin().await?;
    for kind in ["import", "index"] {
        sqlx::query(
            "INSERT INTO records.operation (tenant_id, id, kind, state, principal_id, request, claim_until, created_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), $1, 'queued', gen_random_uuid(), '', now(), now())",
        )
        .bind(kind)
        .execute(&mut admin)
        .await?;
    }
    for migrations in &schemas {
        migrations.down(&mut admin).await?;
        migrations.up(&mut admin).await?;
    }
    Ok(())
}

/// The schema as `pg_dump` prints it, without what is drawn by chance: tokens of newer versions, and the mark that a server of
/// 15.20 puts on every column, which only a `pg_dump` as new as the server leaves out.
async fn dump(database: &Database) -> Result<String> {
    let output = Command::new(pg_dump()?)
        .arg("--schema-only")
        .arg(format!("--dbname={}", database.url()))
        .output()
        .await
        .context("running pg_dump")?;
    if !output.status.success() {
        bail!("pg_dump of {}: {}", database.name(), String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let chance = |line: &str| {
        line.starts_with("\\restrict")
            || line.starts_with("\\unrestrict")
            || line.contains(" SET (pg_attver=")
    };
    let lines = text.lines().filter(|line| !chance(line));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The newest `pg_dump` of Debian's directories, else the one in the path.
fn pg_dump() -> Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let mut found = Vec::new();
    if root.is_dir() {
        for version in std::fs::read_dir(root)? {
            let version = version?;
            let program = version.path().join("bin/pg_dump");
            let number = version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0);
            if program.is_file() {
                found.push((number, program));
            }
        }
    }
    Ok(found.into_iter().max().map_or_else(|| PathBuf::from("pg_dump"), |(_, program)| program))
}
