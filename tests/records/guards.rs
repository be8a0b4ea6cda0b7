//! What an object's guard demands is demanded on every way to a write, and what it stores belongs to every write. The objects of the
//! service have none: this is the contact with a guard.

use std::sync::{Arc, LazyLock};

use anyhow::Result;
use auth::Context;
use config::SecretString;
use db::TenantTx;
use error::{Error, Reason};
use events::NewEvent;
use ids::Clock;
use input::Violations;
use prost::bytes::Bytes;
use proto::Rpc;
use proto::common::v1::Access;
use proto::fields::v1::GetFieldSetResponse;
use proto::records::v1 as pb;
use query::{CursorKey, RowScope};
use record::change::{self, Author, Diff};
use record::definitions::Definitions;
use record::prepare::{Guard, Path, Plan, Proposal, Stored, Write, prepare};
use record::reference::{Ids, References};
use record::view::View;
use record::{Built, Env, Fields, Included, Object, Reader, Record, Sent, Wire, create, update, write};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;
use crate::world::{ALL, Ground, Principal, TestGate};

/// The title that the guard refuses, and one that it does not.
const FORBIDDEN: &str = "Forbidden";
const ALLOWED: &str = "Allowed";

static GUARDED: LazyLock<Object> = LazyLock::new(|| {
    let contact = records::OBJECTS.iter().find(|object| object.name == "contact").unwrap();
    Object { guard: Some(&NoForbiddenTitle), built: Built::later(), ..**contact }
});

#[derive(Debug)]
struct NoForbiddenTitle;

#[tonic::async_trait]
impl Guard for NoForbiddenTitle {
    async fn check(
        &self,
        _: &mut TenantTx,
        write: &mut Write<'_>,
        violations: &mut Violations,
    ) -> Result<(), Error> {
        if write.after.fields.get("job_title").and_then(Value::as_str) == Some(FORBIDDEN) {
            violations.note("/job_title", Reason::OUT_OF_RANGE, "nobody has this title");
        }
        Ok(())
    }

    async fn stored(
        &self,
        _: &mut TenantTx,
        plan: &Plan<'_>,
        _: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        Ok(vec![change::event(plan.author, &GUARDED, "guarded", after, &[])])
    }
}

enum Guarded {}

impl Wire for Guarded {
    type Message = pb::Contact;

    fn object() -> &'static Object {
        &GUARDED
    }

    fn read(sent: &pb::Contact, r: &mut Reader<'_>) {
        r.line("last_name", &sent.last_name, 100);
        r.line("job_title", &sent.job_title, 200);
    }

    fn show(view: View<'_>, _: Option<Access>) -> Result<pb::Contact, Error> {
        Ok(pb::Contact { id: view.id(), version: view.version(), ..Default::default() })
    }

    fn include(_: &mut pb::Contact, _: Included) {}

    fn custom(sent: &pb::Contact) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Contact) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Contact) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// A path, and whether the record is known before.
const WAYS: [(Path, bool); 10] = [
    (Path::Create, false),
    (Path::Update, true),
    (Path::Move, true),
    (Path::Transfer, true),
    (Path::Link, true),
    (Path::Import, false),
    (Path::Import, true),
    (Path::Restore, true),
    (Path::Bulk, true),
    (Path::Undo, true),
];

struct World {
    ground: Ground,
    gates: TestGate,
    env: Env,
}

impl World {
    async fn new() -> Result<Self> {
        let ground = Ground::on(Database::shared(records::MIGRATIONS).await?, "records", Clock::system())?;
        let gates = TestGate::new(&ground.clock)?;
        static OBJECTS: LazyLock<[&'static Object; 1]> = LazyLock::new(|| [&*GUARDED]);
        let env = Env {
            role: fleet::Role::Records,
            objects: &*OBJECTS,
            db: ground.db.clone(),
            clock: ground.clock.clone(),
            wake: events::Wake::default(),
            cursor_key: CursorKey::new(&SecretString::from("0123456789abcdef0123456789abcdef"))?,
            region: None,
            definitions: Definitions::new(Arc::new(|_, _, _| {
                Box::pin(async { Ok(GetFieldSetResponse { version: 1, ..Default::default() }) })
            })),
            references: References::to_people(Arc::new(|_, _| Box::pin(async { Ok(Ids::new()) }))),
        };
        Ok(Self { ground, gates, env })
    }

    /// Somebody in a tenant of their own.
    fn somebody(&self) -> Result<Principal> {
        self.gates.somebody(&self.ground.clock, self.ground.tenant(), &ALL)
    }

    async fn admit<T: Rpc>(&self, who: &Principal, body: T) -> Result<(Context, T)> {
        Ok(self.gates.gate.admit(who.request(body, &[])).await?)
    }

    /// A stored contact. For a link or a restore, which send no title, its title is `title`, past the guard; for a restore it is
    /// in the trash.
    async fn known(&self, who: &Principal, title: &str, path: Path) -> Result<Uuid> {
        let id = self.create(who, ALLOWED).await?.id;
        if matches!(path, Path::Link | Path::Restore) {
            let query = sqlx::query("UPDATE records.contacts SET job_title = $2 WHERE id = $1");
            query.bind(Uuid::parse_str(&id)?).bind(title).execute(&mut self.ground.sql().await?).await?;
        }
        if path == Path::Restore {
            let (cx, request) = self.admit(who, pb::DeleteContactRequest { id: id.clone() }).await?;
            record::delete::<Guarded>(&self.env, &cx, &request.id).await?;
        }
        Ok(Uuid::parse_str(&id)?)
    }

    async fn create(&self, who: &Principal, title: &str) -> Result<pb::Contact> {
        let request = pb::CreateContactRequest { contact: Some(contact(title)), ..Default::default() };
        let (cx, request) = self.admit(who, request).await?;
        let made =
            record::create::<Guarded, _>(&self.env, &cx, request, |create| &mut create.contact).await?;
        Ok(made.message)
    }

    /// Writes a contact with this title on a path.
    async fn write(&self, who: &Principal, path: Path, known: Option<Uuid>, title: &str) -> Result<()> {
        let id = known.unwrap_or_default().to_string();
        match path {
            Path::Create => drop(self.create(who, title).await?),
            Path::Update | Path::Move | Path::Transfer => {
                let update_mask = Some(prost_types::FieldMask { paths: vec!["job_title".to_owned()] });
                let request = pb::UpdateContactRequest { id, contact: Some(contact(title)), update_mask };
                let (cx, request) = self.admit(who, request).await?;
                let (mask, sent) = (request.update_mask, request.contact.as_ref());
                record::update_by::<Guarded>(&self.env, &cx, (&request.id, path), mask, sent, Fields::new())
                    .await?;
            }
            Path::Restore => {
                let (cx, request) = self.admit(who, pb::RestoreContactRequest { id }).await?;
                record::restore::<Guarded, _>(&self.env, &cx, &request, &request.id).await?;
            }
            Path::Link | Path::Import | Path::Bulk | Path::Undo => {
                self.prepare_and_write(who, path, known, title).await?;
            }
        }
        Ok(())
    }

    /// What a service does that writes without the calls of the library.
    async fn prepare_and_write(
        &self,
        who: &Principal,
        path: Path,
        known: Option<Uuid>,
        title: &str,
    ) -> Result<()> {
        let (cx, _) = self.admit(who, pb::UpdateContactRequest::default()).await?;
        let (env, object, author) = (&self.env, &*GUARDED, Author::of(&self.env, &cx));
        let set = env.definitions.for_keys(&cx, object, []).await?;
        let mask = set.mask(object, cx.mask(object.name));
        let plan = Plan { env, cx: &cx, object, set: &set, mask: &mask, author: &author, path };
        let sent = || Sent {
            fields: Fields::from_iter([
                ("last_name".to_owned(), json!("Imported")),
                ("job_title".to_owned(), title.into()),
            ]),
            ..Sent::default()
        };
        let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
        db::fence::check(&mut tx, &cx).await?;
        let before = match known {
            Some(id) => Some(update::lock_live(&mut tx, &cx, object, id, "update").await?),
            None => None,
        };
        let proposal = match (before, path) {
            (None, _) => {
                let mut record = create::new_record(&author, "import");
                record.set("owner_id", cx.user().to_string().into());
                Proposal::create(&plan, record, sent())
            }
            (Some(before), Path::Link) => {
                let diff =
                    Diff { field: "companies".to_owned(), before: Value::Null, after: json!("a link") };
                Proposal::beside(before, vec![diff])
            }
            (Some(before), _) => Proposal::change(&plan, before, sent()),
        };
        let prepared = match prepare(&mut tx, &plan, proposal, &mut Stored).await? {
            Ok(prepared) => prepared,
            // A file goes on with its next row: what was written until then stays.
            Err(violations) => {
                tx.commit().await?;
                return Err(violations.into_error().into());
            }
        };
        if known.is_some() {
            let scope = RowScope { all: true, owners: Vec::new(), teams: Vec::new() };
            write::update(&mut tx, &plan, prepared, &scope).await?;
        } else {
            write::insert(&mut tx, &plan, std::slice::from_ref(&prepared)).await?;
        }
        Ok(record::commit(env, tx, Ok(())).await?)
    }

    /// What a tenant has: contacts, changes, events, and those of them that the guard has given.
    async fn rows(&self, who: &Principal) -> Result<[i64; 4]> {
        let mut sql = self.ground.sql().await?;
        let mut rows = [0; 4];
        for (rows, table) in rows.iter_mut().zip(["contacts", "change", "outbox"]) {
            *rows = self.ground.count(&mut sql, table, who.tenant).await?;
        }
        let given = "SELECT count(*) FROM records.outbox WHERE tenant_id = $1 AND type LIKE '%.guarded.%'";
        rows[3] = sqlx::query_scalar(given).bind(who.tenant.uuid()).fetch_one(&mut sql).await?;
        Ok(rows)
    }
}

fn contact(title: &str) -> pb::Contact {
    let text = |text: &str| Some(text.to_owned());
    pb::Contact { last_name: text("Known"), job_title: text(title), ..Default::default() }
}

#[tokio::test]
async fn every_way_to_a_write_asks_the_guard() -> Result<()> {
    let world = World::new().await?;
    for (path, is_known) in WAYS {
        let who = world.somebody()?;
        let known = if is_known { Some(world.known(&who, FORBIDDEN, path).await?) } else { None };
        let before = world.rows(&who).await?;
        let refused = world.write(&who, path, known, FORBIDDEN).await.unwrap_err().downcast::<Error>()?;
        let violations: Vec<(&str, &str)> =
            refused.violations().iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(violations, [("/job_title", "OUT_OF_RANGE")], "{path:?}, known: {is_known}");
        assert_eq!(world.rows(&who).await?, before, "{path:?}, known: {is_known}");
    }
    Ok(())
}

#[tokio::test]
async fn every_way_to_a_write_stores_what_the_guard_adds() -> Result<()> {
    let world = World::new().await?;
    for (path, is_known) in WAYS {
        let who = world.somebody()?;
        // The fence of a tenant is raised by its first write.
        world.create(&who, ALLOWED).await?;
        let known = if is_known { Some(world.known(&who, ALLOWED, path).await?) } else { None };
        let before = world.rows(&who).await?;
        let title =
            if matches!(path, Path::Update | Path::Move | Path::Transfer) { "Another" } else { ALLOWED };
        world.write(&who, path, known, title).await?;
        let [contacts, changes, events, given] = before;
        let after = [contacts + i64::from(!is_known), changes + 1, events + 2, given + 1];
        assert_eq!(world.rows(&who).await?, after, "{path:?}, known: {is_known}");
    }
    Ok(())
}
