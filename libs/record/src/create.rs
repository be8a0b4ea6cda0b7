//! Makes a record.

use auth::{Context, FieldMask, RowFacts};
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::Error;
use input::Violations;
use serde_json::Value;

use super::change::Author;
use super::commit::commit;
use super::custom;
use super::definitions::FieldSet;
use super::draft::Draft;
use super::fence::{self, Tries};
use super::reference::{self, Reference, records};
use super::{Answer, Fields, Object, Record, tree, unique, write};
use crate::Env;

/// Makes a record of what was sent. `request` is what an `Idempotency-Key` stands for.
pub(crate) async fn create(
    env: &Env,
    cx: &Context,
    object: &Object,
    rpc: &'static str,
    request: Vec<u8>,
    draft: Draft<'_>,
) -> Result<Answer, Error> {
    let mut tries = Tries::default();
    loop {
        match attempt(env, cx, object, rpc, &request, &draft).await {
            Err(error) if tries.again(&error) => fence::renew(env, cx, object).await?,
            done => return done,
        }
    }
}

async fn attempt(
    env: &Env,
    cx: &Context,
    object: &Object,
    rpc: &'static str,
    request: &Vec<u8>,
    draft: &Draft<'_>,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, draft.custom.keys().map(String::as_str)).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let sent = draft.open(&set, &mask)?;
    let author = Author::of(env, cx);
    let mut violations = sent.violations;
    let mut record = new_record(&author, "api");
    record.set("owner_id", cx.user().to_string().into());
    for (name, value) in sent.fields {
        // Nothing to clear yet: a `null` leaves the default.
        if !value.is_null() {
            record.set(&name, value);
        }
    }
    violations.extend(custom::merge(&set, &mask, &mut record.custom, &sent.custom, env.region));
    violations.extend(custom::complete(&set, &mask, &mut record.custom, &sent.custom, env.region));
    violations.extend((object.check)(&|name| {
        record.fields.contains_key(name) || sent.broken.iter().any(|broken| broken == name)
    }));
    let references = reference::all(object, &set, None, &record);
    violations.extend(env.people.check(cx, &references).await?);

    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let new = New { record, references, violations, author, request };
    let result = store(&mut tx, env, cx, object, rpc, &set, mask, new).await;
    commit(env, tx, result).await
}

/// A record that is to be stored, with what is known of it.
struct New<'a> {
    record: Record,
    references: Vec<Reference>,
    violations: Violations,
    author: Author,
    request: &'a Vec<u8>,
}

#[allow(clippy::too_many_arguments, reason = "one step of one operation: each argument is another thing")]
async fn store(
    tx: &mut TenantTx,
    env: &Env,
    cx: &Context,
    object: &Object,
    rpc: &'static str,
    set: &FieldSet,
    mask: FieldMask,
    new: New<'_>,
) -> Result<Answer, Error> {
    let New { mut record, references, mut violations, author, request } = new;
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, rpc, request).await?;
    if let Claim::Replay(kept) = &claim {
        return Answer::replay(kept, mask);
    }
    violations.extend(records(env, tx, cx, &references).await?);
    tree::check(tx, cx, object, record.id, &references, &mut violations).await?;
    violations.into_result()?;
    // Who may assign may make it their own first, and give it away.
    let own = RowFacts { owner_id: Some(cx.user().uuid()), team_id: None };
    let assigns = || cx.reaches(object.name, "create", &own) && cx.reaches(object.name, "assign", &own);
    if !cx.reaches(object.name, "create", &record.facts()) && !assigns() {
        return Err(cx.denied());
    }
    unique::check(tx, cx, object, set, &record).await?;
    finish_fields(object, &mut record);
    write::insert(tx, &author, object, set, std::slice::from_ref(&record)).await?;
    claim.keep(tx, &Answer::kept(&record)?, author.now).await?;
    Ok(Answer::new(record, mask))
}

/// A record without any field of its object yet.
pub fn new_record(author: &Author, source: &str) -> Record {
    let mut record = Record {
        id: author.clock.new_uuid(),
        version: 1,
        owner_id: None,
        team_id: None,
        fields: Fields::new(),
        custom: Fields::new(),
    };
    let now: Value = field_types::moment::datetime_text(author.now).into();
    record.set("created_at", now);
    record.set("created_by", author.actor.to_string().into());
    record.set("source", source.into());
    write::touch(&mut record, author);
    record
}

/// Takes over those computed fields that the answer shows.
pub fn finish_fields(object: &Object, record: &mut Record) {
    let mut derived = (object.derive)(&record.fields);
    for (name, _) in object.computed() {
        record.set(name, derived.remove(*name).unwrap_or_default());
    }
}
