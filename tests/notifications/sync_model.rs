//! Readers at different speeds end with exactly what they may see, whatever was written, deleted, restored and purged, and whoever's rights changed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use auth::RowPredicate;
use ids::TenantId;
use proto::identity::v1::{FieldAccess, Scope};
use proto::notifications::v1::{SyncChange, SyncOp, SyncRequest};
use serde_json::Value;
use uuid::Uuid;

use super::model::{NAME, Seen, Write};
use super::sync::{Caller, from, sync};
use super::world::World;
use crate::world::{Dice, May};

const OBJECTS: [&str; 2] = ["contact", "deal"];

/// Rights that a reader may have: of contacts and of deals, and whether the name of contacts is hidden.
const RIGHTS: [(Option<Scope>, Option<Scope>, bool); 5] = [
    (Some(Scope::All), Some(Scope::All), false),
    (Some(Scope::Own), Some(Scope::All), false),
    (Some(Scope::All), Some(Scope::Own), true),
    (None, Some(Scope::All), false),
    (Some(Scope::Own), None, true),
];

/// Somebody who follows changes.
struct Reader {
    who: Caller,
    rights: usize,
    version: i64,
    cursor: String,
    has: Seen,
    limit: i32,
    /// Asks once in so many writes.
    pace: usize,
}

impl Reader {
    fn new(world: &World, tenant: TenantId, limit: i32, pace: usize) -> Result<Self> {
        let who = world.caller(tenant, &May { actions: &[("*", "*", Scope::All)], fields: &[] })?;
        let reader =
            Self { who, rights: 0, version: 5, cursor: String::new(), has: Seen::new(), limit, pace };
        Ok(reader)
    }

    fn give_rights(&mut self, world: &World, rights: usize) {
        let (contacts, deals, hides_name) = RIGHTS[rights];
        let scopes = OBJECTS.into_iter().zip([contacts, deals]);
        let actions: Vec<_> = scopes.filter_map(|(object, scope)| Some((object, "read", scope?))).collect();
        let fields: &[_] = if hides_name { &[("contact", NAME, FieldAccess::None)] } else { &[] };
        (self.rights, self.version) = (rights, self.version + 1);
        world.allow(self.who.id, self.version, &May { actions: &actions, fields });
        world.gates.gate.forget(self.who.tenant.uuid(), Some(self.who.id));
    }

    /// What it may see now.
    fn may_see(&self, world: &World) -> Seen {
        let (contacts, deals, hides_name) = RIGHTS[self.rights];
        let mut seen = Seen::new();
        for (object, scope) in OBJECTS.into_iter().zip([contacts, deals]) {
            let predicate = match scope {
                Some(Scope::All) => RowPredicate::Always,
                Some(_) => RowPredicate::OwnerIn(vec![self.who.id]),
                None => RowPredicate::Never,
            };
            let hides = hides_name && object == "contact";
            seen.extend(world.model.sees(self.who.tenant, object, &predicate, hides));
        }
        seen
    }

    /// Asks once, and does what the answer says. Whether there is more.
    async fn step(&mut self) -> Result<bool> {
        let request = SyncRequest {
            types: if self.cursor.is_empty() { OBJECTS.join(",") } else { String::new() },
            limit: Some(self.limit),
            ..from(&self.cursor)
        };
        let answer = sync(&self.who, request).await?;
        apply(&mut self.has, answer.changes)?;
        self.cursor = answer.next_cursor;
        for object in answer.resync {
            self.has.retain(|(of, _), _| *of != object);
            self.read_anew(&object).await?;
        }
        Ok(answer.has_more)
    }

    /// Reads the state of a type again, without a cursor, as the contract says.
    async fn read_anew(&mut self, object: &str) -> Result<()> {
        let mut request =
            SyncRequest { types: object.to_owned(), limit: Some(self.limit), ..SyncRequest::default() };
        loop {
            let answer = match sync(&self.who, request.clone()).await {
                Ok(answer) => answer,
                // It may not read the type at all.
                Err(refusal) if refusal.is() == (403, "PERMISSION_DENIED") => return Ok(()),
                Err(refusal) => return Err(refusal.into()),
            };
            apply(&mut self.has, answer.changes)?;
            request.cursor = answer.next_cursor;
            if !answer.has_more {
                return Ok(());
            }
        }
    }

    async fn finish(&mut self) -> Result<()> {
        for _ in 0..10_000 {
            if !self.step().await? {
                return Ok(());
            }
        }
        anyhow::bail!("a reader does not come to an end")
    }
}

/// What a client does with changes: the newer version stays.
fn apply(has: &mut Seen, changes: Vec<SyncChange>) -> Result<()> {
    for change in changes {
        let key = (change.r#type, change.id);
        if change.op == i32::from(SyncOp::Remove) {
            has.remove(&key);
            continue;
        }
        let data: Value = serde_json::from_slice(change.data.as_deref().context("data")?)?;
        let is_older = has.get(&key).is_some_and(|(version, _)| *version > change.version);
        if !is_older {
            has.insert(key, (change.version, data));
        }
    }
    Ok(())
}

async fn history(seed: u64) -> Result<()> {
    const WRITES: usize = 150;
    let world = World::new().await?;
    let tenant = world.tenant();
    let mut dice = Dice(seed);
    let mut readers = [
        Reader::new(&world, tenant, 500, 1)?,
        Reader::new(&world, tenant, 3, 5)?,
        Reader::new(&world, tenant, 1, 40)?,
    ];
    let owners: Vec<Uuid> =
        readers.iter().map(|reader| reader.who.id).chain([world.clock.new_uuid()]).collect();
    // They begin while they may see everything: whoever may not read a type cannot begin with it.
    for reader in &mut readers {
        reader.step().await?;
    }
    let mut records: BTreeMap<usize, (&'static str, Uuid)> = BTreeMap::new();
    for n in 0..WRITES {
        let owner = *dice.one(&owners);
        let write = match dice.below(10) {
            0..3 => Write::Create { owner },
            3..5 => Write::Rename,
            5..7 => Write::Give { owner },
            7 => Write::Delete,
            8 => Write::Restore,
            _ => Write::Purge,
        };
        let of = match write {
            Write::Create { .. } => {
                let of = (*dice.one(&OBJECTS), world.clock.new_uuid());
                records.insert(records.len(), of);
                of
            }
            _ if records.is_empty() => continue,
            _ => records[&dice.below(records.len())],
        };
        world.done(tenant, of, write).await?;
        for reader in &mut readers {
            if dice.once_in(25) {
                let rights = dice.below(RIGHTS.len());
                reader.give_rights(&world, rights);
            }
            if n % reader.pace == 0 {
                reader.step().await?;
            }
        }
    }
    for reader in &mut readers {
        reader.finish().await.with_context(|| format!("seed {seed}, limit {}", reader.limit))?;
        let (has, may_see) = (&reader.has, reader.may_see(&world));
        assert_eq!(*has, may_see, "seed {seed}, limit {}, rights {:?}", reader.limit, RIGHTS[reader.rights]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_at_different_speeds_end_with_exactly_what_they_may_see() -> Result<()> {
    for seed in [1, 7, 42, 2_026] {
        history(seed).await?;
    }
    Ok(())
}
