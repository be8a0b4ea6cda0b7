//! Reports on deals as of any moment: one file for each, all SQL in `store.rs`.
//!
//! Where deals were, and when they were in the trash, is in rows of its own, which no later change touches. Fields of deals as they were are made of
//! the change log (`past.rs`); of now, they are those of the table.

mod forecast;
mod funnel;
mod past;
mod stages;
mod store;
mod velocity;
mod win_loss;

use auth::{Context, FieldMask};
use error::{Code, Error, Reason};
use field_types::{FieldError, moment};
use input::Violations;
use prost_types::Timestamp;
use query::rows::{Piece, Statement};
use query::{Bind, RowScope};
use record::report::{self, report};
use sqlx::postgres::PgRow;
use time::macros::datetime;
use time::{OffsetDateTime, Time};

use crate::app::App;
use crate::deals::{Deal, mask};
use crate::pipelines::{Whole, asked_for};

pub(crate) use forecast::forecast;
pub(crate) use funnel::funnel;
pub(crate) use velocity::velocity;
pub(crate) use win_loss::win_loss;

/// What a report takes beside others of the same caller. It reads up to all deals.
pub(crate) const COST: u64 = 5;

/// A window without ends.
const BEGINNING: OffsetDateTime = datetime!(0001-01-01 0:00 UTC);
const END: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

/// What all reports are asked, as it was sent.
struct Sent<'a> {
    pipeline_id: Option<&'a str>,
    filter: &'a str,
    as_of: Option<Timestamp>,
    from: &'a str,
    to: &'a str,
}

/// What a report is about.
struct Question<'a> {
    app: &'a App,
    cx: &'a Context,
    filter: &'a str,
    /// With what was in force then.
    whole: Whole,
    mask: FieldMask,
    as_of: OffsetDateTime,
    /// `as_of` is not now.
    is_past: bool,
    from: OffsetDateTime,
    to: OffsetDateTime,
}

impl<'a> Question<'a> {
    /// Reads what was sent. The report shows nothing to a caller that does not see the fields that it `needs`.
    async fn read(app: &'a App, cx: &'a Context, sent: Sent<'a>, needs: &[&str]) -> error::Result<Self> {
        let now = app.env.clock.now_micros();
        let mut violations = Violations::default();
        let as_of = as_of(sent.as_of, now, &mut violations);
        let from = bound("/from", sent.from, &mut violations);
        let to = bound("/to", sent.to, &mut violations);
        if from.zip(to).is_some_and(|(from, to)| to <= from) {
            violations.note("/to", Reason::OUT_OF_RANGE, "it must be later than from");
        }
        violations.into_result()?;
        let mask = mask(app, cx).await?;
        let hidden: Vec<&str> = needs.iter().copied().filter(|name| mask.hides(name)).collect();
        if !hidden.is_empty() {
            let text = format!(
                "this report is about fields of deals that are hidden from you: {}",
                hidden.join(", ")
            );
            return Err(Error::new(Code::PermissionDenied, Reason::PERMISSION_DENIED, text));
        }
        let whole = asked_for(app, cx, sent.pipeline_id, as_of).await?;
        Ok(Self {
            app,
            cx,
            filter: sent.filter,
            whole,
            mask,
            as_of,
            is_past: as_of < now,
            from: from.unwrap_or(BEGINNING),
            to: to.unwrap_or(END),
        })
    }

    fn has_window(&self) -> bool {
        (self.from, self.to) != (BEGINNING, END)
    }

    /// Runs a statement about the deals that the caller sees and chooses, or another `of_all` if that is all of them: then those that were purged since
    /// count as well. `$6`, `$7`, … are `more`.
    async fn rows(
        &self,
        (of_all, of_some): (&'static [Piece], &'static [Piece]),
        fixed: &[(&'static str, Bind)],
        more: Vec<Bind>,
    ) -> error::Result<Vec<PgRow>> {
        let sees_all = RowScope::from(self.cx.reached()).all && self.filter.trim().is_empty();
        let mut binds = vec![Bind::Time(self.as_of), Bind::Uuid(self.whole.pipeline.id)];
        binds.extend([Bind::Time(self.from), Bind::Time(self.to)]);
        binds.extend(more);
        let statement = Statement {
            pieces: if sees_all { of_all } else { of_some },
            binds,
            past: self.is_past.then_some(past::DEALS),
        };
        let asked = report::Asked { filter: self.filter, fixed, statement };
        report::<Deal>(&self.app.env, self.cx, asked).await
    }
}

/// The moment that was sent, or now.
fn as_of(sent: Option<Timestamp>, now: OffsetDateTime, violations: &mut Violations) -> OffsetDateTime {
    let Some(sent) = sent else { return now };
    match proto::moment(&sent) {
        Some(then) if then <= now => return then,
        Some(_) => violations.note("/as_of", Reason::DATE_IN_FUTURE, "it must not be later than now"),
        None => violations.note("/as_of", Reason::TIMESTAMP_INVALID, "an instant is expected"),
    }
    now
}

/// A moment, or the beginning of a day in UTC; `None` where nothing was sent.
fn bound(at: &str, sent: &str, violations: &mut Violations) -> Option<OffsetDateTime> {
    if sent.is_empty() {
        return None;
    }
    let read = match moment::date(sent) {
        Ok(day) => Ok(day.with_time(Time::MIDNIGHT).assume_utc()),
        Err(_) => moment::datetime(sent).map_err(|_| {
            let text =
                "a date such as 2026-01-31, or a date and time such as 2026-01-31T08:00:00Z, is expected";
            FieldError::new(Reason::TIMESTAMP_INVALID, text)
        }),
    };
    violations.take(at, read)
}
