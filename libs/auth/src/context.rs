//! The context of a call: who, in which tenant, under which conditions.

use std::sync::Arc;

use error::{Error, Reason};
use ids::{SessionId, UserId};
use proto::rpc::{Access, Permission};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use uuid::Uuid;

use crate::gate::Lease;
use crate::if_match::IfMatch;
use crate::predicate::{RowFacts, RowPredicate};
use crate::{FieldMask, Snapshot, VerifiedTenant};

/// What kind of principal calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person with a session.
    User,
    /// A program with an API key.
    ApiKey,
    /// A service acting for itself.
    Service,
}

impl PrincipalKind {
    /// The name in answers and rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Service => "service",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::User, Self::ApiKey, Self::Service].into_iter().find(|kind| kind.name() == name)
    }
}

/// What an API key begins with, by which the gateway tells it from an access token.
pub const API_KEY_PREFIX: &str = "gck_";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The kind.
    pub kind: PrincipalKind,
    /// The user, API key or service principal.
    pub id: Uuid,
}

/// What every call carries, authenticated or not.
#[derive(Clone, Debug)]
pub struct Call {
    /// Made by the gateway or taken from the client; names the call in logs and problems.
    pub request_id: String,
    /// The client's `Idempotency-Key`, 1 to 255 visible ASCII characters.
    pub idempotency_key: Option<String>,
    /// The client's `If-Match`.
    pub if_match: Option<IfMatch>,
    /// The client's `User-Agent`, cut at 200 characters.
    pub user_agent: Option<String>,
    /// W3C trace context as it came; what is stored or sent on is the current span's (`host::trace`).
    pub traceparent: Option<String>,
}

impl Call {
    /// Reads the metadata of a call; errors name the header.
    pub fn read(metadata: &MetadataMap) -> Result<Self, Error> {
        let text = |name: &str| metadata.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty());
        let idempotency_key = match text("idempotency-key") {
            Some(key) if key.len() <= 255 && key.bytes().all(|b| (0x21..=0x7e).contains(&b)) => {
                Some(key.to_owned())
            }
            Some(_) => {
                let text = "Idempotency-Key must be 1 to 255 visible ASCII characters";
                return Err(Error::malformed(Reason::IDEMPOTENCY_KEY_MALFORMED, text));
            }
            None => None,
        };
        let if_match = text("if-match").map(IfMatch::read).transpose()?;
        Ok(Self {
            // One that cannot be an id is left out: it is logged and kept.
            request_id: text("x-request-id").and_then(ids::request_id).unwrap_or_default().to_owned(),
            idempotency_key,
            if_match,
            user_agent: text("x-user-agent").map(|t| t.chars().take(200).collect()),
            // What is not one is left out: it is kept with events, and goes on to other services.
            traceparent: text("traceparent").filter(|t| is_traceparent(t)).map(str::to_owned),
        })
    }
}

/// Version, trace, parent and flags, each in lower-case hexadecimal (W3C Trace Context).
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-';
    parts == [2, 32, 16, 2] && text.bytes().all(hexadecimal)
}

/// The context of a verified call.
#[derive(Clone, Debug)]
pub struct Context {
    /// What the call carries.
    pub call: Call,
    /// The tenant, from the verified token.
    pub tenant: VerifiedTenant,
    /// Who calls.
    pub principal: Principal,
    /// The session, for a user.
    pub session_id: Option<SessionId>,
    /// The permissions that decide this call.
    pub snapshot: Arc<Snapshot>,
    pub(crate) token: SecretString,
    pub(crate) lease: Option<Lease>,
    pub(crate) admitted: Option<Admitted>,
}

/// What a call was admitted by.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    permission: Permission,
    reached: RowPredicate,
}

impl Context {
    /// A context from its parts; for tests of operations and for jobs that hold a service token.
    pub fn new(
        call: Call,
        tenant: VerifiedTenant,
        principal: Principal,
        session_id: Option<SessionId>,
        snapshot: Arc<Snapshot>,
        token: SecretString,
    ) -> Self {
        Self { call, tenant, principal, session_id, snapshot, token, lease: None, admitted: None }
    }

    /// Drops the snapshot that this call decided by, because it was found to be too old: the next call asks for it anew.
    pub fn forget_snapshot(&self) {
        if let Some(lease) = &self.lease {
            lease.forget_snapshot();
        }
    }

    /// What a write confirms before it commits; `None` for a context that no gate has made.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The user whose rows are "own": the principal itself, or the owner of its API key.
    pub fn user(&self) -> UserId {
        self.snapshot.owner().into()
    }

    /// Asks for what the contract says of the call's method, once and before anything else. Errors: 403 `PERMISSION_DENIED`.
    pub(crate) fn admit(self, access: Access) -> Result<Self, Error> {
        match access {
            Access::Permission(Permission { object: Permission::ANY, action }) => {
                if !self.snapshot.allows_somewhere(action) {
                    return Err(Error::permission_denied(Permission::ANY, action));
                }
                Ok(self)
            }
            Access::Permission(permission) => {
                let reached = self.authorize(permission.object, permission.action)?;
                Ok(Self { admitted: Some(Admitted { permission, reached }), ..self })
            }
            // A key is not its user.
            Access::Own { key: Some(needed) } if self.principal.kind == PrincipalKind::ApiKey => {
                self.authorize(needed.object, needed.action).map(|_| self)
            }
            Access::Own { .. } | Access::Internal | Access::Public => Ok(self),
        }
    }

    /// The rows that the permission of the call's method reaches: at least some. None for a call whose method asks for no
    /// permission, and for a context that is not that of a call.
    pub fn reached(&self) -> &RowPredicate {
        self.admitted.as_ref().map_or(&RowPredicate::Never, |admitted| &admitted.reached)
    }

    /// For what has no owner and no team: only the scope `all` reaches it, and with a lesser one nothing is allowed.
    ///
    /// Errors: 403 `PERMISSION_DENIED`.
    pub fn require_scope_all(&self) -> Result<(), Error> {
        if *self.reached() == RowPredicate::Always { Ok(()) } else { Err(self.denied()) }
    }

    /// 403 that names the permission of the call's method, for a row that it does not reach.
    pub fn denied(&self) -> Error {
        let named = self.admitted.as_ref().map(|admitted| admitted.permission);
        named.map_or_else(
            || Error::permission_denied("", ""),
            |permission| Error::permission_denied(permission.object, permission.action),
        )
    }

    /// The rows that the action reaches, or 403 when the action is not allowed on any. For what an operation needs in addition
    /// to the permission of its method, which the gate has asked for.
    pub fn authorize(&self, object: &str, action: &str) -> Result<RowPredicate, Error> {
        match self.snapshot.predicate(object, action) {
            RowPredicate::Never => Err(Error::permission_denied(object, action)),
            reached => Ok(reached),
        }
    }

    /// Whether the action reaches this row.
    pub fn reaches(&self, object: &str, action: &str, row: &RowFacts) -> bool {
        self.snapshot.predicate(object, action).evaluate(row)
    }

    /// The caller's field rules for an object.
    pub fn mask(&self, object: &str) -> &FieldMask {
        self.snapshot.mask(object)
    }

    /// The answer with the headers every answer has.
    pub fn answer<T>(&self, message: T) -> tonic::Response<T> {
        let mut response = tonic::Response::new(message);
        response
            .metadata_mut()
            .insert("permission-version", AsciiMetadataValue::from(self.snapshot.version()));
        response
    }

    /// The version that `If-Match` demands, when it is not the current one; of several the latest.
    pub fn stale(&self, current: i64) -> Option<i64> {
        match &self.call.if_match {
            Some(IfMatch::Versions(versions)) if !versions.contains(&current) => versions.last().copied(),
            _ => None,
        }
    }

    /// Refuses a stale `If-Match`. Errors: 412 `VERSION_STALE`.
    pub fn check_version(&self, current: i64) -> Result<(), Error> {
        match self.stale(current) {
            Some(_) => Err(version_stale(current)),
            None => Ok(()),
        }
    }

    /// Puts what a call made for this caller carries along into the metadata of an outgoing call.
    pub fn forward(&self, metadata: &mut MetadataMap) -> Result<(), Error> {
        let mut put = |name: &'static str, value: &str| {
            let value = AsciiMetadataValue::try_from(value).map_err(Error::internal)?;
            metadata.insert(name, value);
            Ok::<_, Error>(())
        };
        put("authorization", &format!("Bearer {}", self.token.expose_secret()))?;
        put("x-request-id", &self.call.request_id)?;
        if let Some(traceparent) = &self.call.traceparent {
            put("traceparent", traceparent)?;
        }
        Ok(())
    }
}

/// 412: `If-Match` demands another version than the current one, which the error carries as `version`.
pub fn version_stale(current: i64) -> Error {
    let text = "it was changed since that version; read it again";
    Error::new(error::Code::Aborted, Reason::VERSION_STALE, text)
        .with_metadata("version", current.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_trace_context_is_left_out() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("traceparent", text.parse().unwrap());
            Call::read(&metadata).unwrap().traceparent
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read(good).as_deref(), Some(good));
        for bad in ["x", &good[..54], &format!("{good}-{good}"), &good.to_uppercase(), &"a".repeat(60_000)] {
            assert_eq!(read(bad), None);
        }
    }

    #[test]
    fn a_request_id_that_cannot_be_one_is_left_out() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("x-request-id", text.parse().unwrap());
            Call::read(&metadata).unwrap().request_id
        };
        assert_eq!(read("a-request:7"), "a-request:7");
        assert_eq!((read("a request"), read(&"a".repeat(129))), (String::new(), String::new()));
    }
}
