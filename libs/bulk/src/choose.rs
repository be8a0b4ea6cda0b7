//! Which records an operation is about.

use auth::{Context, RowPredicate};
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use query::{Deleted, Limits, List, ListRequest, Schema};
use record::definitions::FieldSet;
use uuid::Uuid;

use auth::FieldMask;

use crate::asked::{Action, Asked};
use crate::{Bulk, DEFAULT_MAX_AFFECTED, MAX_RECORDS};

/// The filter that chooses every record: nobody means them all by leaving something out.
const EVERY: &str = "*";

/// How records are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) filter: &'a str,
    pub(crate) ids: &'a [String],
    pub(crate) max_affected: Option<i64>,
}

impl Choice<'_> {
    fn most(&self) -> i64 {
        self.max_affected.unwrap_or(DEFAULT_MAX_AFFECTED).clamp(1, MAX_RECORDS)
    }

    /// The records, in the order of their ids. Errors: 422 at `/filter`; those of a list; 409 `TOO_MANY_AFFECTED`.
    pub(crate) async fn records(
        &self,
        bulk: &Bulk,
        cx: &Context,
        asked: &Asked,
        (set, mask): (&FieldSet, &FieldMask),
    ) -> Result<Vec<Uuid>, Error> {
        let most = self.most();
        let records = match (self.filter.trim(), self.ids) {
            ("", []) => {
                let text = "a filter or ids are expected; the filter `*` chooses every record";
                return Err(Error::validation(vec![Violation::new("/filter", Reason::REQUIRED, text)]));
            }
            ("", ids) => named(ids),
            (filter, []) => by_filter(bulk, cx, asked, (set, mask), (filter, most + 1)).await?,
            _ => {
                let text = "send either a filter or ids";
                return Err(Error::validation(vec![Violation::new("/ids", Reason::UNKNOWN_FIELD, text)]));
            }
        };
        if records.len() as i64 > most {
            let text = format!("more than {most} records match");
            return Err(Error::new(Code::FailedPrecondition, Reason::TOO_MANY_AFFECTED, text)
                .with_metadata("max_affected", most.to_string()));
        }
        Ok(records)
    }
}

fn named(ids: &[String]) -> Vec<Uuid> {
    // Their form was checked with the request.
    let mut named: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect();
    named.sort_unstable();
    named.dedup();
    named
}

async fn by_filter(
    bulk: &Bulk,
    cx: &Context,
    asked: &Asked,
    (set, mask): (&FieldSet, &FieldMask),
    (filter, limit): (&str, i64),
) -> Result<Vec<Uuid>, Error> {
    let filter = if filter == EVERY { None } else { query::filter::parse(filter)? };
    let object = asked.target.object;
    let predicate: RowPredicate = cx.authorize(object.name, "read")?;
    let request = ListRequest {
        schema: Schema {
            table: object.table(),
            custom: set.queryable(),
            mask,
            region: bulk.env.region,
            now: bulk.env.clock.now(),
        },
        predicate: &predicate,
        fixed: &[],
        deleted: if asked.action == Action::Restore { Deleted::Only } else { Deleted::Hidden },
        filter: filter.as_ref(),
        order_by: "",
        limits: Limits::default(),
    };
    // As a costly list waits for its turn, so does this.
    let turn =
        if bulk.env.db.others_come(cx.tenant) { bulk.env.db.long_turn(cx.tenant).await? } else { None };
    let mut tx = TenantTx::begin_snapshot(&bulk.env.db, cx.tenant).await?;
    if let Some(turn) = turn {
        tx.keep(turn);
    }
    let list = List::open(&mut tx, &request).await?;
    let ids = list.ids(&mut tx, limit).await?;
    tx.commit().await?;
    Ok(ids)
}
