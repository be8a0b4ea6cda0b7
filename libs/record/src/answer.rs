//! The answer of an operation on one record.

use auth::FieldMask;
use error::Error;
use prost::Message;
use time::OffsetDateTime;

use super::view::{Source, View};
use super::{Record, Wire};

/// A record with the rules of the caller it is for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) record: Record,
    pub(crate) mask: FieldMask,
    /// Custom keys asked for by name.
    pub(crate) asked: Vec<String>,
    /// With `include=access`.
    pub(crate) access: Option<proto::common::v1::Access>,
    /// Given before, and given again by `Idempotency-Key`.
    pub(crate) replayed: bool,
}

impl Answer {
    /// The whole record.
    pub(crate) fn new(record: Record, mask: FieldMask) -> Self {
        Self { record, mask, asked: Vec::new(), access: None, replayed: false }
    }

    /// What is kept for a replay: the record itself and not the message, so that a replay hides what its own caller may
    /// not see by then.
    pub(crate) fn kept(record: &Record) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(record).map_err(Error::internal)
    }

    /// An answer given again.
    pub(crate) fn replay(kept: &[u8], mask: FieldMask) -> Result<Self, Error> {
        let json = <Vec<u8> as Message>::decode(kept).map_err(Error::internal)?;
        let record = serde_json::from_slice(&json).map_err(Error::internal)?;
        Ok(Self { replayed: true, ..Self::new(record, mask) })
    }

    /// The record through the caller's rules.
    pub(crate) fn view(&self, now: OffsetDateTime) -> View<'_> {
        View { source: Source::Record(&self.record), mask: &self.mask, asked: &self.asked, now }
    }

    /// The record as its message.
    pub(crate) fn shown<W: Wire>(&self, now: OffsetDateTime) -> Result<auth::Answer<W::Message>, Error> {
        let message = W::show(self.view(now), self.access.clone())?;
        let answer = auth::Answer::of_version(self.record.version, message);
        Ok(if self.replayed { answer.again() } else { answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::record;
    use auth::Access;
    use serde_json::json;

    #[test]
    fn a_replay_is_masked_by_the_rules_of_now() {
        let first =
            record(1, json!({"first_name": "Zoë", "job_title": "CTO"}), json!({"seats": 1, "tier": "gold"}));
        let kept = Answer::kept(&first).unwrap().encode_to_vec();
        let rules = ["job_title", "custom.seats"].map(|name| (name.to_owned(), Access::None));
        let again = Answer::replay(&kept, FieldMask::new(rules)).unwrap();
        assert!(again.replayed);
        assert_eq!(again.record, first);
        assert_eq!(again.view(OffsetDateTime::UNIX_EPOCH).text("first_name").as_deref(), Some("Zoë"));
        assert_eq!(again.view(OffsetDateTime::UNIX_EPOCH).text("job_title"), None);
        assert_eq!(again.view(OffsetDateTime::UNIX_EPOCH).custom().unwrap(), "{\"tier\":\"gold\"}");
    }
}
