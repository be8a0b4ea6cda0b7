//! Makes an API key of the caller.

use auth::{Context, Snapshot};
use error::{Code, Error, Reason};
use ids::TenantId;
use input::{Violations, required_line};
use proto::identity::v1 as pb;
use secrecy::ExposeSecret;
use time::OffsetDateTime;

use super::{ApiKey, convert, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::metrics;
use crate::refusals::{refuse_idempotency_key, refuse_key};
use crate::roles::body::KeyScope;
use crate::secrets::{self, Kind};

/// Most keys of one user.
pub(crate) const MAX_KEYS: i64 = 50;

/// Creates; the secret is in this answer and nowhere else. Errors: 422 with all violations, 403 `SCOPE_EXCEEDS_CALLER`, 403
/// `SESSION_REQUIRED`, 409 `API_KEY_LIMIT_REACHED`.
#[tracing::instrument(name = "identity.api_keys.create", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CreateApiKeyRequest,
) -> Result<pb::CreateApiKeyResponse, Error> {
    refuse_idempotency_key(&cx.call)?;
    refuse_key(cx)?;
    let body = request.api_key.unwrap_or_default();
    let now = app.clock.now_micros();
    let mut violations = Violations::default();
    let name = violations.take("/name", required_line(&body.name, 100)).unwrap_or_default();
    let scopes = read_scopes(&body.scopes, &mut violations);
    let expires_at = body.expires_at.and_then(|at| read_expiry(at, now, &mut violations));
    violations.into_result()?;
    check_scopes(&scopes, &cx.snapshot)?;

    let user_id = cx.user().uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    if store::count(change.tx(), user_id).await? >= MAX_KEYS {
        let text = format!("at most {MAX_KEYS} keys; delete one first");
        return Err(Error::new(Code::FailedPrecondition, Reason::API_KEY_LIMIT_REACHED, text));
    }
    let id = app.clock.new_uuid();
    let secret = secrets::make(Kind::ApiKey, TenantId::from(change.tx().tenant_id()), id, &app.entropy)?;
    let mut scopes: Vec<String> = scopes.into_iter().map(|s| format!("{}.{}", s.object, s.action)).collect();
    scopes.sort();
    scopes.dedup();
    let prefix = secret.shown;
    let key = ApiKey {
        id,
        version: 1,
        user_id,
        name,
        prefix,
        scopes,
        created_at: now,
        expires_at,
        last_used_at: None,
    };
    store::insert(change.tx(), &key, &secret.hash).await?;
    let created = Change {
        object: "api_key",
        action: "create",
        verb: "created",
        record_id: id,
        version: 1,
        owner: Some(user_id),
        before: None,
        after: Some(convert::to_json(&key)),
        reason: "",
        touches: Touches::Principal(id),
        narrows: false,
    };
    change.record(&app.recorder, &Actor::of(cx), created).await?;
    change.commit(&app.gate).await?;
    let secret = Some(secret.text.expose_secret().to_owned());
    Ok(pb::CreateApiKeyResponse { api_key: Some(pb::ApiKey { secret, ..convert::to_proto(&key) }) })
}

fn read_scopes(texts: &[String], violations: &mut Violations) -> Vec<KeyScope> {
    if texts.is_empty() {
        violations.note("/scopes", Reason::REQUIRED, "at least one");
    }
    let mut scopes = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let Some(scope) = KeyScope::parse(text) else {
            let text = "<object>.<action> with existing names, or *";
            violations.note(format!("/scopes/{i}"), Reason::UNKNOWN_SCOPE, text);
            continue;
        };
        scopes.push(scope);
    }
    scopes
}

fn read_expiry(
    at: prost_types::Timestamp,
    now: OffsetDateTime,
    violations: &mut Violations,
) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::from_unix_timestamp(at.seconds).ok();
    let future = time.filter(|time| *time > now);
    if future.is_none() {
        violations.note("/expires_at", Reason::EXPIRY_IN_THE_PAST, "must be in the future");
    }
    future
}

/// A key's scopes lie within what the caller may do. A wildcard lies within the same wildcard only.
fn check_scopes(scopes: &[KeyScope], caller: &Snapshot) -> Result<(), Error> {
    let beyond: Vec<String> = scopes
        .iter()
        .filter(|s| !caller.allows(&s.object, &s.action))
        .map(|s| format!("{}.{}", s.object, s.action))
        .collect();
    if beyond.is_empty() {
        return Ok(());
    }
    let text = format!("you may not do {} yourself", beyond.join(", "));
    Err(metrics::beyond(Reason::SCOPE_EXCEEDS_CALLER, text).with_metadata("scopes", beyond.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::compile::compile;
    use crate::roles::body::{ObjectPermission, RoleBody, Scope};

    #[test]
    fn scopes_beyond_the_caller_are_refused_by_name() {
        let permission = ObjectPermission {
            object: "contact".into(),
            actions: ["read".to_owned()].into(),
            scopes: [Scope::Own].into(),
        };
        let (objects, _) = compile(&[RoleBody { permissions: vec![permission], fields: vec![] }], None);
        let caller =
            Snapshot::from_wire(&pb::PermissionSnapshot { objects, ..pb::PermissionSnapshot::default() });
        let check = |texts: &[&str]| {
            let scopes: Vec<KeyScope> = texts.iter().map(|t| KeyScope::parse(t).unwrap()).collect();
            check_scopes(&scopes, &caller)
                .map_err(|e| (e.reason().to_owned(), e.metadata()["scopes"].clone()))
        };
        assert_eq!(check(&["contact.read"]), Ok(()));
        let refused = |scopes: &str| Err(("SCOPE_EXCEEDS_CALLER".to_owned(), scopes.to_owned()));
        assert_eq!(
            check(&["contact.read", "contact.delete", "company.read"]),
            refused("contact.delete,company.read")
        );
        assert_eq!(check(&["contact.*"]), refused("contact.*"));
        assert_eq!(check(&["*.read"]), refused("*.read"));
    }

    #[test]
    fn an_expiry_lies_in_the_future() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let read = |seconds| {
            let mut violations = Violations::default();
            let at = prost_types::Timestamp { seconds, nanos: 0 };
            (read_expiry(at, now, &mut violations).is_some(), violations.iter().len())
        };
        assert_eq!(read(now.unix_timestamp() + 1), (true, 0));
        assert_eq!(read(now.unix_timestamp()), (false, 1));
        assert_eq!(read(i64::MAX), (false, 1));
    }
}
