//! How far a caller has come.

use auth::Context;
use error::{Code, Error, Reason};
use query::CursorKey;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::objects::Synced;
use super::sight;
use crate::journal::Head;

/// What the seal of a cursor is for.
const PURPOSE: &str = "globcrm sync cursor";
/// After this time what came behind a cursor is not known any more; the journal keeps a day more.
const LIFE: Duration = Duration::days(30);

/// How far a caller has come. The text of it is sealed: clients can neither read nor make one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    tenant: Uuid,
    principal: Uuid,
    /// In the order of their names.
    pub(super) types: Vec<Followed>,
    /// All up to this number of the journal is told, or is part of the state that is being told.
    pub(super) number: i64,
    /// What has a greater number was written in this second or later, but for what was being written then. Seconds since 1970.
    since: i64,
    /// Of the whole state, what comes next; `None` when all of it is told.
    pub(super) state: Option<Stage>,
}

/// A type that is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Followed {
    pub(super) object: String,
    /// What the caller could see of it.
    sight: u64,
}

/// A place in the whole state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Stage {
    /// Which of the types.
    pub(super) at: usize,
    /// Where in its list, as the list's owner says it.
    pub(super) page_token: String,
}

impl Cursor {
    /// Of a caller who begins: the whole state, as it is from `head` on.
    pub(super) fn begin(cx: &Context, types: &[&'static Synced], head: Head) -> Self {
        let followed = |synced: &&'static Synced| Followed {
            object: synced.object.to_owned(),
            sight: sight::of(cx, synced.object),
        };
        Self {
            tenant: cx.tenant.id().uuid(),
            principal: cx.principal.id,
            types: types.iter().map(followed).collect(),
            number: head.last,
            since: head.asked_at.unix_timestamp(),
            state: Some(Stage::default()),
        }
    }

    /// Of a caller who comes back. `named` are the types that the call names; none means those of the cursor.
    ///
    /// Errors: 400 `CURSOR_INVALID`, and `CURSOR_MISMATCH` for that of another caller or of other types.
    pub(super) fn open(
        cx: &Context,
        key: &CursorKey,
        text: &str,
        named: Option<&[&'static Synced]>,
    ) -> Result<Self, Error> {
        let invalid = || Error::malformed(Reason::CURSOR_INVALID, "the cursor is not one of ours");
        let bytes = key.open(PURPOSE, text).ok_or_else(invalid)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        let is_callers = (cursor.tenant, cursor.principal) == (cx.tenant.id().uuid(), cx.principal.id);
        let has_types = named.is_none_or(|named| {
            named.iter().map(|synced| synced.object).eq(cursor.types.iter().map(|of| of.object.as_str()))
        });
        if !is_callers || !has_types {
            let text = "the cursor was given to another caller, or for other types";
            return Err(Error::malformed(Reason::CURSOR_MISMATCH, text));
        }
        Ok(cursor)
    }

    /// Whether what came behind it is known. Errors: 410 `CURSOR_EXPIRED`, also for a number that the journal does not have, as it was taken
    /// back to an earlier state.
    pub(super) fn check(&self, head: Head) -> Result<(), Error> {
        if self.since < (head.asked_at - LIFE).unix_timestamp() || self.number > head.last {
            let text = "what has changed since the cursor was given is not known any more";
            return Err(Error::new(Code::FailedPrecondition, Reason::CURSOR_EXPIRED, text));
        }
        Ok(())
    }

    /// Takes note of what the caller can see now; gives the types of which that is not what it was.
    pub(super) fn look(&mut self, cx: &Context) -> Vec<String> {
        let mut others = Vec::new();
        for followed in &mut self.types {
            let now = sight::of(cx, &followed.object);
            if followed.sight != now {
                followed.sight = now;
                others.push(followed.object.clone());
            }
        }
        others
    }

    /// All up to a number is told. What has a greater one was written at `written_at` or later.
    pub(super) fn reach(&mut self, number: i64, written_at: OffsetDateTime) {
        (self.number, self.since) = (number, written_at.unix_timestamp());
    }

    /// No row behind it was written before this moment. A day is more than any transaction takes, and than clocks differ.
    pub(super) fn not_before(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.since).unwrap_or(OffsetDateTime::UNIX_EPOCH)
            - Duration::days(1)
    }

    /// The text for the client.
    pub(super) fn seal(&self, key: &CursorKey) -> Result<String, Error> {
        key.seal(PURPOSE, &serde_json::to_vec(self).map_err(Error::internal)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auth::{Call, Principal, PrincipalKind, Snapshot, VerifiedTenant};
    use ids::TenantId;
    use proto::identity::v1::PermissionSnapshot;
    use secrecy::SecretString;

    use super::*;
    use crate::sync::objects::{SYNCED, read};

    fn key() -> CursorKey {
        CursorKey::new(&SecretString::from("k".repeat(32))).unwrap()
    }

    fn caller(tenant: u128, principal: u128) -> Context {
        let tenant = VerifiedTenant::from_claim(TenantId::from(Uuid::from_u128(tenant)));
        let principal = Principal { kind: PrincipalKind::User, id: Uuid::from_u128(principal) };
        let call = Call {
            request_id: String::new(),
            idempotency_key: None,
            if_match: None,
            user_agent: None,
            traceparent: None,
        };
        let snapshot = Snapshot::from_wire(&PermissionSnapshot::default());
        Context::new(call, tenant, principal, None, Arc::new(snapshot), SecretString::from("token"))
    }

    fn head(last: i64, day: i64) -> Head {
        Head { last, asked_at: OffsetDateTime::UNIX_EPOCH + Duration::days(20_000 + day) }
    }

    #[test]
    fn a_cursor_is_its_callers_and_for_its_types() {
        let (cx, types) = (caller(1, 1), read("contact,deal").unwrap().unwrap());
        let text = Cursor::begin(&cx, &types, head(7, 0)).seal(&key()).unwrap();
        let open = |cx: &Context, named: Option<&[&'static Synced]>, text: &str| {
            Cursor::open(cx, &key(), text, named).map_err(|error| error.reason().to_owned())
        };
        assert_eq!(open(&cx, None, &text).unwrap().number, 7);
        assert!(open(&cx, Some(&types), &text).is_ok());
        let mismatch = Err("CURSOR_MISMATCH".to_owned());
        assert_eq!(open(&caller(2, 1), None, &text).map(|_| ()), mismatch, "another tenant");
        assert_eq!(open(&caller(1, 2), None, &text).map(|_| ()), mismatch, "another user");
        assert_eq!(open(&cx, Some(&types[..1]), &text).map(|_| ()), mismatch, "fewer types");
        let all: Vec<_> = SYNCED.iter().collect();
        assert_eq!(open(&cx, Some(&all), &text).map(|_| ()), mismatch, "more types");
        let other = CursorKey::new(&SecretString::from("x".repeat(32))).unwrap();
        assert_eq!(Cursor::open(&cx, &other, &text, None).unwrap_err().reason(), "CURSOR_INVALID");
        assert_eq!(open(&cx, None, "nonsense").map(|_| ()), Err("CURSOR_INVALID".to_owned()));
    }

    #[test]
    fn a_cursor_lives_for_thirty_days_and_as_long_as_the_journal_has_its_number() {
        let mut cursor = Cursor::begin(&caller(1, 1), &[&SYNCED[0]], head(7, 0));
        assert!(cursor.check(head(7, 30)).is_ok());
        let late = cursor.check(head(9, 31)).unwrap_err();
        assert_eq!((late.code().http(late.reason()), late.reason()), (410, "CURSOR_EXPIRED"));
        assert_eq!(
            cursor.check(head(6, 0)).unwrap_err().reason(),
            "CURSOR_EXPIRED",
            "the journal was taken back"
        );
        cursor.reach(9, head(9, 20).asked_at);
        assert!(cursor.check(head(9, 45)).is_ok());
        assert!(cursor.not_before() < head(9, 20).asked_at && cursor.not_before() > head(9, 18).asked_at);
    }
}
