//! The statements of three lists as the records service runs them, and how PostgreSQL does: `auto_explain` in the service's
//! own sessions tells both.

use std::fmt::Write as _;

use std::sync::{Arc, Mutex};

use anyhow::Result;
use proto::records::v1 as pb;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::same;
use crate::database::{Database, execute};
use crate::records::plans::fill;
use crate::records::world::World;
use crate::stage::Stage;

const ROWS: i64 = 5_000;
const NAME: &str = "globcrm_test_golden_lists";

/// Keeps the notices that the database sends.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "message" {
                    value.clone_into(&mut self.0);
                }
            }
        }
        if event.metadata().target() == "sqlx::postgres::notice" {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().expect("the notices").push(message.0);
        }
    }
}

/// A line a node, indented: what it is, on which table, by which index. Nothing that depends on costs, on the partition that
/// the tenant fell into, or on the version of PostgreSQL (`Result` only hands on).
fn shape(node: &Value, depth: usize, out: &mut String) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let kind = text("Node Type");
    if kind != "Result" {
        out.push_str(&format!("{}{kind}", "  ".repeat(depth)));
        for (word, key) in [("on", "Relation Name"), ("by", "Index Name")] {
            if !text(key).is_empty() {
                out.push_str(&format!(" {word} {}", without_partition(text(key))));
            }
        }
        out.push('\n');
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        shape(child, depth + usize::from(kind != "Result"), out);
    }
}

/// A line a clause, so that a difference shows where it is.
fn readable(statement: &str) -> String {
    [" FROM records.", " WHERE t.", " ORDER BY t.", " LIMIT "]
        .iter()
        .fold(statement.to_owned(), |text, clause| text.replace(clause, &format!("\n {clause}")))
}

/// `contacts_p3_tenant_id_idx` -> `contacts_p_tenant_id_idx`.
fn without_partition(name: &str) -> String {
    match name.split_once("_p") {
        Some((table, rest)) => format!("{table}_p{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => name.to_owned(),
    }
}

#[tokio::test]
async fn three_lists_run_the_committed_statements_by_the_committed_plans() -> Result<()> {
    // Its migration must not meet this one: both set the passwords of roles, which belong to the whole server.
    Stage::shared().await;
    let notices = Notices::default();
    let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(notices.clone()));
    let database = Database::fresh(NAME, &[records::MIGRATIONS]).await?;
    let mut sql = database.admin().await?;
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_level = notice",
        "auto_explain.log_format = json",
    ] {
        execute(&mut sql, format!("ALTER DATABASE {NAME} SET {setting}")).await?;
    }
    let world = World::on(database)?;
    let admin = world.admin()?;
    fill(&mut sql, admin.tenant, ROWS).await?;
    let mut found = String::new();
    for (title, filter, order_by) in [
        ("the newest contacts", "", "created_at desc"),
        ("by a custom field, in the order of another", "custom.tier = \"gold\"", "custom.seats desc"),
        ("by the beginning of a name", "last_name:\"last 4\"", "last_name"),
    ] {
        // The first call prepares and learns the fields; the second is what every later one is.
        for _ in 0..2 {
            notices.0.lock().expect("the notices").clear();
            let request = pb::ListContactsRequest {
                filter: filter.to_owned(),
                order_by: order_by.to_owned(),
                page_size: Some(50),
                fields: "id,last_name,custom.seats".to_owned(),
                ..Default::default()
            };
            assert_eq!(admin.list(request).await?.contacts.len(), 50, "{title}");
        }
        writeln!(found, "# {title}: {filter} {order_by}")?;
        for notice in notices.0.lock().expect("the notices").drain(..) {
            let Some((_, json)) = notice.split_once("plan:") else { continue };
            let plan: Value = serde_json::from_str(json.trim())?;
            let statement = plan["Query Text"].as_str().unwrap_or_default();
            if statement.contains("records.contacts") {
                writeln!(found, "{}", readable(statement))?;
                shape(&plan["Plan"], 1, &mut found);
            }
        }
        found.push('\n');
    }
    assert!(!found.contains("Seq Scan"), "{found}");
    same("lists.txt", include_str!("lists.txt"), &found);
    Ok(())
}
