//! Creates a record.

use auth::Context;
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::Error;
use input::Violations;
use serde_json::Value;

use super::change::Author;
use super::commit::commit;
use super::computed::Computed;
use super::draft::Draft;
use super::fence::{self, Tries};
use super::prepare::{Path, Plan, Proposal, Stored, prepare};
use super::{Alike, Answer, Env, Fields, Object, Record, likeness, write};

/// What an `Idempotency-Key` stands for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) rpc: &'static str,
    pub(crate) request: &'a Vec<u8>,
}

/// Creates a record of what was sent.
pub(crate) async fn create(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    asked: Asked<'_>,
    draft: Draft<'_>,
    alike: Alike,
) -> Result<Answer, Error> {
    let mut tries = Tries::default();
    loop {
        match attempt(env, cx, object, asked, &draft, alike).await {
            Err(error) if tries.again(&error) => fence::renew(env, cx, object).await?,
            done => return done,
        }
    }
}

async fn attempt(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    asked: Asked<'_>,
    draft: &Draft<'_>,
    alike: Alike,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, draft.custom.keys().map(String::as_str)).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let sent = draft.open(&set, &mask);
    let author = Author::of(env, cx);
    let plan = Plan { env, cx, object, set: &set, mask: &mask, author: &author, path: Path::Create };
    let mut record = new_record(&author, "api");
    record.set("owner_id", cx.user().to_string().into());
    let ahead = Computed::ahead(object, &sent.fields).await?;
    let proposal = Proposal::create(&plan, record, sent).computed(ahead).ask_elsewhere(&plan).await?;

    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let result = store(&mut tx, &plan, asked, proposal, alike).await;
    commit(env, tx, result).await
}

async fn store(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    asked: Asked<'_>,
    proposal: Proposal,
    alike: Alike,
) -> Result<Answer, Error> {
    db::fence::check(tx, plan.cx).await?;
    let claim = idempotency::claim(tx, plan.cx, asked.rpc, asked.request, plan.author.now).await?;
    if let Claim::Replay(kept) = &claim {
        return Answer::replay(kept, plan.mask.clone());
    }
    let prepared = prepare(tx, plan, proposal, &mut Stored).await?.map_err(Violations::into_error)?;
    if alike == Alike::Refused {
        likeness::check(tx, plan, prepared.after()).await?;
    }
    write::insert(tx, plan, std::slice::from_ref(&prepared)).await?;
    let record = prepared.after().clone();
    claim.keep(tx, &Answer::kept(&record)?).await?;
    Ok(Answer::new(record, plan.mask.clone()))
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
