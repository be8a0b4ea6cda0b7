//! HTML is made where nobody waits for it: outside of transactions, and on no thread that serves calls.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use anyhow::{Result, bail};
use config::SecretString;
use error::Error;
use prost::bytes::Bytes;
use proto::activities::v1 as pb;
use proto::common::v1::Access;
use query::CursorKey;
use record::definitions::Definitions;
use record::reference::{Ids, References};
use record::view::View;
use record::{Built, DerivedCheck, Env, Fields, Included, Object, Reader, Wire};
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::world::{Caller, World};
use crate::database::Database;
use crate::waiting;
use crate::world::definitions;

fn note() -> &'static Object {
    activities::OBJECTS[0]
}

/// The note, whose HTML somebody may be waiting for.
static WATCHED: LazyLock<Object> =
    LazyLock::new(|| Object { derive: watched, built: Built::later(), ..*note() });
static OBJECTS: LazyLock<[&'static Object; 1]> = LazyLock::new(|| [&*WATCHED]);

/// Who wants to know of the next HTML that is made.
struct Watch {
    test: ThreadId,
    /// Whether it is made on another thread than that of the test, where all calls are served.
    begun: oneshot::Sender<bool>,
    /// It is made when this is gone.
    hold: mpsc::Receiver<()>,
}

/// How often HTML was made.
static MADE: AtomicUsize = AtomicUsize::new(0);
static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

fn watched(fields: &Fields) -> Fields {
    MADE.fetch_add(1, Ordering::SeqCst);
    let watch = WATCH.lock().unwrap().take();
    if let Some(Watch { test, begun, hold }) = watch {
        let is_aside = thread::current().id() != test;
        let told = begun.send(is_aside);
        // Nobody could let go of what holds up the test itself.
        if is_aside && told.is_ok() {
            let _gone = hold.recv();
        }
    }
    (note().derive)(fields)
}

fn watch() -> (oneshot::Receiver<bool>, mpsc::Sender<()>) {
    let ((begun, told), (go, hold)) = (oneshot::channel(), mpsc::channel());
    *WATCH.lock().unwrap() = Some(Watch { test: thread::current().id(), begun, hold });
    (told, go)
}

/// Works, and looks at the database while HTML is made for it, which happens this often.
async fn aside<T>(sql: &mut PgConnection, often: usize, work: impl Future<Output = Result<T>>) -> Result<T> {
    let before = MADE.load(Ordering::SeqCst);
    let (told, go) = watch();
    let mut work = pin!(work);
    let is_aside = tokio::select! {
        is_aside = told => is_aside?,
        _ = &mut work => bail!("no HTML was made"),
    };
    assert!(is_aside, "HTML was made on the thread that serves calls");
    // Who waits for HTML goes on waiting here, so a transaction that only ends late is told from it.
    waiting::outcome(Duration::from_secs(30), "no transaction waits for HTML", async || {
        let open: Vec<String> = sqlx::query_scalar(
            "SELECT format('%s %s: %s', application_name, state, left(query, 80)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
               AND backend_type = 'client backend'",
        )
        .fetch_all(&mut *sql)
        .await
        .map_err(|e| e.to_string())?;
        if open.is_empty() { Ok(()) } else { Err(open.join("; ")) }
    })
    .await;
    drop(go);
    let done = work.await?;
    assert_eq!(MADE.load(Ordering::SeqCst) - before, often, "of a text each");
    Ok(done)
}

/// Works, for which no HTML may be made.
async fn without<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let (_told, go) = watch();
    drop(go);
    let done = work.await?;
    assert!(WATCH.lock().unwrap().take().is_some(), "HTML was made");
    Ok(done)
}

enum Watched {}

impl Wire for Watched {
    type Message = pb::Note;

    fn object() -> &'static Object {
        &WATCHED
    }

    fn read(sent: &pb::Note, r: &mut Reader<'_>) {
        r.lines("body", &sent.body, 50_000);
        r.value("pinned", sent.pinned);
    }

    fn show(view: View<'_>, _: Option<Access>) -> Result<pb::Note, Error> {
        let body_html = view.text("body_html").unwrap_or_default();
        Ok(pb::Note { id: view.id(), body: view.text("body"), body_html, ..Default::default() })
    }

    fn include(_: &mut pb::Note, _: Included) {}

    fn custom(sent: &pb::Note) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Note) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Note) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// What operations on the watched note work with.
fn env(world: &World) -> Result<Env> {
    Ok(Env {
        role: fleet::Role::Activities,
        objects: &*OBJECTS,
        db: world.db.clone(),
        clock: world.clock.clone(),
        wake: events::Wake::default(),
        cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
        region: None,
        definitions: Definitions::new(Arc::new(|_, _, _| Box::pin(async { Ok(definitions::field_set()) }))),
        references: References::to_people(Arc::new(|_, _| Box::pin(async { Ok(Ids::new()) }))),
    })
}

/// As a service lets a call in.
async fn admit<T: proto::Rpc>(world: &World, who: &Caller, body: T) -> Result<(auth::Context, T)> {
    Ok(world.gates.gate.admit(who.request(body, &[])).await?)
}

async fn create(world: &World, env: &Env, who: &Caller, body: &str) -> Result<pb::Note> {
    let request = pb::CreateNoteRequest { note: Some(text(body)) };
    let (cx, request) = admit(world, who, request).await?;
    Ok(record::create::<Watched, _>(env, &cx, request, |create| &mut create.note).await?.message)
}

async fn update(
    world: &World,
    env: &Env,
    who: &Caller,
    id: &str,
    note: pb::Note,
    path: &str,
) -> Result<pb::Note> {
    let update_mask = Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
    let request = pb::UpdateNoteRequest { id: id.to_owned(), note: Some(note), update_mask };
    let (cx, request) = admit(world, who, request).await?;
    let (mask, sent) = (request.update_mask, request.note.as_ref());
    Ok(record::update::<Watched>(env, &cx, id, mask, sent).await?.message)
}

fn text(body: &str) -> pb::Note {
    pb::Note { body: Some(body.to_owned()), ..Default::default() }
}

fn check(world: &World) -> Result<DerivedCheck> {
    Ok(DerivedCheck {
        role: fleet::Role::Activities,
        objects: &*OBJECTS,
        db: world.db.clone(),
        worker: world.worker()?,
        clock: world.clock.clone(),
        every: Duration::from_secs(3_600),
    })
}

const DUE: &str = "UPDATE activities.derived_check SET due_at = '2000-01-01'";

/// One test: there is one watch.
#[tokio::test]
async fn html_is_made_outside_of_transactions_and_only_of_a_text_that_changes() -> Result<()> {
    let database = Database::fresh("globcrm_test_computed", &[activities::MIGRATIONS]).await?;
    let world = World::on(database)?;
    let (who, mut sql) = (world.admin()?, world.sql().await?);
    let env = env(&world)?;
    // The first write of a tenant is judged again when it has raised the fence of definitions.
    who.create(text("*first*")).await?;

    let made = aside(&mut sql, 1, Box::pin(create(&world, &env, &who, "*one*"))).await?;
    assert_eq!(made.body_html, "<p><em>one</em></p>\n");
    let id = made.id.as_str();
    let changed = aside(&mut sql, 1, Box::pin(update(&world, &env, &who, id, text("*two*"), "body"))).await?;
    assert_eq!(changed.body_html, "<p><em>two</em></p>\n");
    let pin = pb::Note { pinned: true, ..Default::default() };
    assert_eq!(
        Box::pin(without(update(&world, &env, &who, id, pin, "pinned"))).await?.body_html,
        changed.body_html
    );
    who.delete(id).await?;
    let restored = without(async {
        let (cx, request) = admit(&world, &who, pb::RestoreNoteRequest { id: id.to_owned() }).await?;
        Ok(record::restore::<Watched, _>(&env, &cx, &request, id).await?.message)
    });
    assert_eq!(restored.await?.body_html, changed.body_html);
    // What is refused is not computed.
    let refused = without(async { Ok(Box::pin(create(&world, &env, &who, " ")).await) }).await?;
    assert!(refused.is_err());

    let check = check(&world)?;
    let uuid: Uuid = id.parse()?;
    sqlx::query("UPDATE activities.notes SET body_html = 'wrong' WHERE id = $1")
        .bind(uuid)
        .execute(&mut sql)
        .await?;
    sqlx::query(DUE).execute(&mut sql).await?;
    aside(&mut sql, 2, async { Ok(check.round().await?) }).await?;
    assert_eq!(who.get(id).await?.body_html, changed.body_html);
    Ok(())
}

/// The comparison has read a note and seen that it is wrong, when somebody changes it.
#[tokio::test]
async fn what_was_changed_since_it_was_compared_is_left_as_it_is() -> Result<()> {
    let database = Database::fresh("globcrm_test_compared", &[activities::MIGRATIONS]).await?;
    let world = World::on(database)?;
    let who = world.admin()?;
    let note = who.create(text("*old*")).await?;
    let (mut sql, mut other) = (world.sql().await?, world.sql().await?);
    let id: Uuid = note.id.parse()?;
    sqlx::query("UPDATE activities.notes SET body_html = 'wrong' WHERE id = $1")
        .bind(id)
        .execute(&mut sql)
        .await?;
    sqlx::query(DUE).execute(&mut sql).await?;
    let mut tx = other.begin().await?;
    sqlx::query(
        "UPDATE activities.notes SET body = 'new', body_html = '<p>new</p>', version = 2 WHERE id = $1",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    let check = DerivedCheck { objects: activities::OBJECTS, ..check(&world)? };
    let change = async {
        waiting::until(Duration::from_secs(30), "the comparison waits for the change", async || {
            let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
            sqlx::query_scalar(waits).fetch_one(&mut sql).await.unwrap()
        })
        .await;
        Ok::<_, anyhow::Error>(tx.commit().await?)
    };
    let round = async { Ok::<_, anyhow::Error>(check.round().await?) };
    tokio::try_join!(round, change)?;
    let seen = who.get(&note.id).await?;
    assert_eq!((seen.body.as_deref(), seen.body_html.as_str(), seen.version), (Some("new"), "<p>new</p>", 2));
    Ok(())
}
