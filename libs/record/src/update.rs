//! Changes a record.

use auth::{Context, FieldMask};
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::{Error, Reason, Violation};
use input::Violations;
use query::RowScope;
use uuid::Uuid;

use super::change::Author;
use super::commit::commit;
use super::computed::Computed;
use super::create::Asked;
use super::definitions::FieldSet;
use super::draft::{Draft, Sent};
use super::fence::Tries;
use super::get::parse_id;
use super::prepare::{Path, Plan, Proposal, Stored, prepare};
use super::reference::{self, Reference};
use super::{Answer, Env, Fields, Object, Record, conflict, custom, fence, store, tree, write};

/// Changes what was sent and nothing else. Without a difference nothing happens: same version, no event.
pub(crate) async fn update(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    (id, path, asked): (&str, Path, Option<Asked<'_>>),
    etag: Option<&str>,
    draft: Draft<'_>,
) -> Result<Answer, Error> {
    let mut tries = Tries::default();
    loop {
        match attempt(env, cx, object, (id, path, asked), etag, &draft).await {
            Err(error) if tries.again(&error) => fence::renew(env, cx, object).await?,
            done => return done,
        }
    }
}

async fn attempt(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    (id, path, keyed): (&str, Path, Option<Asked<'_>>),
    etag: Option<&str>,
    draft: &Draft<'_>,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, draft.custom.keys().map(String::as_str)).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let id = parse_id(object, id)?;
    let mut sent = draft.open(&set, &mask);
    let etag = conflict::parse_etag(etag).unwrap_or_else(|violation| {
        sent.violations.push(violation);
        None
    });
    let asked = named(env, object, (&set, &mask), &sent);
    let unknown = env.references.check(cx, &asked).await?;
    let ahead = Computed::ahead(object, &sent.fields).await?;

    let author = Author::of(env, cx);
    let plan = Plan { env, cx, object, set: &set, mask: &mask, author: &author, path };
    let mut tx = TenantTx::begin_with_kept_plans(&env.db, cx.tenant).await?;
    let change = Change { id, keyed, sent, etag, ahead, asked, unknown };
    let result = store(&mut tx, &plan, change).await;
    commit(env, tx, result).await
}

/// What is to be changed, with what is known of it.
struct Change<'a> {
    id: Uuid,
    /// The call, if it takes an `Idempotency-Key`.
    keyed: Option<Asked<'a>>,
    sent: Sent,
    /// The version that the body's `etag` names.
    etag: Option<i64>,
    /// What is computed of it.
    ahead: Option<Computed>,
    /// What other services were asked for, and what of it they do not know.
    asked: Vec<Reference>,
    unknown: Vec<Violation>,
}

async fn store(tx: &mut TenantTx, plan: &Plan<'_>, change: Change<'_>) -> Result<Answer, Error> {
    db::fence::check(tx, plan.cx).await?;
    let Some(Asked { rpc, request }) = change.keyed else {
        return Ok(Answer::new(changed(tx, plan, change).await?, plan.mask.clone()));
    };
    let claim = idempotency::claim(tx, plan.cx, rpc, request, plan.author.now).await?;
    if let Claim::Replay(kept) = &claim {
        return Answer::replay(kept, plan.mask.clone());
    }
    let record = changed(tx, plan, change).await?;
    claim.keep(tx, &Answer::kept(&record)?).await?;
    Ok(Answer::new(record, plan.mask.clone()))
}

async fn changed(tx: &mut TenantTx, plan: &Plan<'_>, change: Change<'_>) -> Result<Record, Error> {
    let Plan { cx, object, .. } = *plan;
    let Change { id, sent, etag, ahead, asked, unknown, .. } = change;
    tree::lock(tx, object, &sent.fields).await?;
    let before = lock_live(tx, cx, object, id, "update").await?;
    let version = before.version;
    let mut proposal = Proposal::change(plan, before, sent).computed(ahead).knowing(&asked, unknown);
    check_versions(tx, plan, (id, version), etag, &mut proposal).await?;
    let prepared = prepare(tx, plan, proposal, &mut Stored).await?.map_err(Violations::into_error)?;
    if !prepared.is_change(object) {
        return Ok(prepared.after().clone());
    }
    write::update(tx, plan, prepared, &RowScope::from(cx.reached())).await
}

/// Refuses a change that starts from another version than the current one, unless it started from the `etag` of an earlier one and the
/// changes since are of other fields.
async fn check_versions(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    (id, current): (Uuid, i64),
    etag: Option<i64>,
    proposal: &mut Proposal,
) -> Result<(), Error> {
    let Plan { cx, object, .. } = *plan;
    let sees_all = RowScope::from(&cx.snapshot.predicate(object.name, "read")).all;
    if let Some(version) = cx.stale(current) {
        let base = store::base(tx, object, id, version, sees_all).await?;
        return Err(conflict::version_stale(current, &proposal.diff(object), &base));
    }
    if etag.is_some_and(|version| version > current) {
        proposal.violations().note("/etag", Reason::ETAG_INVALID, "the record has no such version yet");
    }
    if let Some(version) = etag.filter(|version| *version < current) {
        let base = store::base(tx, object, id, version, sees_all).await?;
        conflict::check_merge(current, &proposal.diff(object), &base)?;
    }
    Ok(())
}

/// Locks a live record that the action reaches. One that the caller may not read answers as one that does not exist; one
/// that may be read but not changed is 403.
pub async fn lock_live(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    id: Uuid,
    action: &str,
) -> Result<Record, Error> {
    let found = store::lock(tx, object, id).await?;
    let visible =
        found.filter(|record| !record.is_deleted() && cx.reaches(object.name, "read", &record.facts()));
    let record = visible.ok_or_else(|| Error::not_found(object.not_found))?;
    if !cx.reaches(object.name, action, &record.facts()) {
        return Err(Error::permission_denied(object.name, action));
    }
    Ok(record)
}

/// What a body names; whether that is new is not known before the row is read.
pub(crate) fn named(
    env: &Env,
    object: &Object,
    (set, mask): (&FieldSet, &FieldMask),
    sent: &Sent,
) -> Vec<Reference> {
    let mut custom = Fields::new();
    // What is wrong with it is found again when it is merged with the row.
    drop(custom::merge(set, mask, &mut custom, &sent.custom, env.region));
    let fields = sent.fields.clone();
    let body = Record { id: Uuid::nil(), version: 0, owner_id: None, team_id: None, fields, custom };
    reference::all(object, set, None, &body)
}
