//! The services that keep records, as a small model: what a caller may see of them is decided as these decide it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use auth::{Context, RowFacts, RowPredicate};
use error::{Error, Reason};
use events::{Change, Event};
use ids::TenantId;
use notifications::sync::{Ask, Asked, Listed, Shown};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, event};

/// Records of a page, however many are asked for: pages may end by their bytes.
const PAGE: usize = 7;

/// The field that a mask may hide.
pub(crate) const NAME: &str = "last_name";

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) version: i64,
    pub(crate) owner: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) deleted: bool,
}

/// Records by tenant, object and id.
type Records = BTreeMap<(TenantId, &'static str, Uuid), Record>;

/// All records. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Model {
    records: Arc<Mutex<Records>>,
    /// The objects whose service does not answer.
    pub(crate) down: Arc<Mutex<BTreeSet<&'static str>>>,
    /// The ids of all records that were given to anybody.
    pub(crate) given: Arc<Mutex<BTreeSet<Uuid>>>,
}

/// What somebody may see: version and data by object and id.
pub(crate) type Seen = BTreeMap<(String, String), (i64, Value)>;

impl Model {
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    /// The question, as the service asks it.
    pub(crate) fn ask(&self) -> Ask {
        let model = self.clone();
        Arc::new(move |cx, asked| {
            let answer = model.list(&cx, &asked);
            Box::pin(async move { answer })
        })
    }

    fn list(&self, cx: &Context, asked: &Asked) -> Result<Listed, Error> {
        let object = asked.synced.object;
        if self.down.lock().unwrap().contains(object) {
            return Err(Error::unavailable(asked.synced.down, "the service is down"));
        }
        let predicate = cx.authorize(object, "read")?;
        let after = Uuid::try_parse(&asked.page_token).unwrap_or_default();
        if !asked.page_token.is_empty() && after.is_nil() {
            return Err(Error::malformed(Reason::PAGE_TOKEN_INVALID, "not a token"));
        }
        let hides_name = cx.mask(object).hides(NAME);
        let records = self.records();
        let mut found: Vec<(Uuid, i64, Value)> =
            visible(&records, cx.tenant.id(), object, &predicate, hides_name)
                .filter(|(id, _, _)| *id > after && (asked.ids.is_empty() || asked.ids.contains(id)))
                .collect();
        let size = PAGE.min(asked.page_size);
        let next_page_token = if found.len() > size { found[size - 1].0.to_string() } else { String::new() };
        found.truncate(size);
        self.given.lock().unwrap().extend(found.iter().map(|(id, _, _)| *id));
        let shown =
            |(id, version, data): (Uuid, i64, Value)| Shown { id, version, data: data.to_string().into() };
        Ok(Listed { records: found.into_iter().map(shown).collect(), next_page_token })
    }

    /// What a caller with these rights would see of an object.
    pub(crate) fn sees(
        &self,
        tenant: TenantId,
        object: &'static str,
        predicate: &RowPredicate,
        hides_name: bool,
    ) -> Seen {
        let records = self.records();
        let visible = visible(&records, tenant, object, predicate, hides_name);
        visible.map(|(id, version, data)| ((object.to_owned(), id.to_string()), (version, data))).collect()
    }
}

fn visible<'a>(
    records: &'a Records,
    tenant: TenantId,
    object: &'static str,
    predicate: &'a RowPredicate,
    hides_name: bool,
) -> impl Iterator<Item = (Uuid, i64, Value)> + 'a {
    let of_object = records.iter().filter(move |((of, kind, _), record)| {
        let facts = RowFacts { owner_id: record.owner, team_id: None };
        *of == tenant && *kind == object && !record.deleted && predicate.evaluate(&facts)
    });
    of_object.map(move |((_, _, id), record)| {
        let mut data = json!({"id": id, "version": record.version, "owner_id": record.owner});
        if !hides_name {
            data[NAME] = json!(record.name);
        }
        (*id, record.version, data)
    })
}

/// What is done to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create { owner: Uuid },
    Rename,
    Give { owner: Uuid },
    Delete,
    Restore,
    Purge,
}

impl World {
    /// Changes a record, and gives the event that tells of it; `None` where that cannot be done to the record.
    pub(crate) fn change(
        &self,
        tenant: TenantId,
        (object, id): (&'static str, Uuid),
        write: &Write,
    ) -> Option<Event> {
        let mut records = self.model.records();
        let key = (tenant, object, id);
        let told = |record: &Record, verb: &str, changes: Vec<Change>| Event {
            owner: record.owner,
            changes,
            ..event(&self.clock, tenant, (object, id, verb), record.version)
        };
        let change = |field: &str, before: String, after: String| Change {
            field: field.to_owned(),
            before: Some(before),
            after: Some(after),
        };
        if let Write::Create { owner } = write {
            let record =
                Record { version: 1, owner: Some(*owner), name: "name 1".to_owned(), deleted: false };
            let told = told(&record, "created", Vec::new());
            return records.insert(key, record).is_none().then_some(told);
        }
        let record = records.get_mut(&key)?;
        let (verb, changes) = match write {
            Write::Rename if !record.deleted => {
                let before = std::mem::replace(&mut record.name, format!("name {}", record.version + 1));
                ("updated", vec![change(NAME, json!(before).to_string(), json!(record.name).to_string())])
            }
            Write::Give { owner } if !record.deleted && record.owner != Some(*owner) => {
                let before = record.owner.replace(*owner);
                ("updated", vec![change("owner_id", json!(before).to_string(), json!(owner).to_string())])
            }
            Write::Delete if !record.deleted => ("deleted", Vec::new()),
            Write::Restore if record.deleted => ("restored", Vec::new()),
            Write::Purge if record.deleted => ("purged", Vec::new()),
            _ => return None,
        };
        record.version += 1;
        record.deleted = matches!(write, Write::Delete | Write::Purge);
        let told = told(&*record, verb, changes);
        if *write == Write::Purge {
            records.remove(&key);
        }
        Some(told)
    }

    /// Changes a record and writes the event into the journal.
    pub(crate) async fn done(
        &self,
        tenant: TenantId,
        of: (&'static str, Uuid),
        write: Write,
    ) -> Result<Uuid> {
        let told = self.change(tenant, of, &write);
        if let Some(told) = told {
            self.write(told).await?;
        }
        Ok(of.1)
    }
}
