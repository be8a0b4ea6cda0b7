//! Puts a deal among the cards of its stage.

use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use input::Violations;
use query::RowScope;
use record::Record;
use record::prepare::Write;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::DEAL;
use super::place::id;
use super::rank::{self, between, spread};
use super::store::{self, Card, Side};

/// Cards that are spread anew, more and more until their keys are short.
const WINDOWS: [i64; 3] = [50, 500, 4_000];
/// A key of more digits is not stored.
const MOST_DIGITS: usize = 180;
/// Instances of the service differ by less.
const SKEW: Duration = Duration::seconds(60);

/// Puts the deal behind the card `after_id`, or before the card `before_id`, if the call names one: a card of the stage where the deal will be,
/// that the caller sees.
pub(super) async fn place(
    tx: &mut TenantTx,
    write: &mut Write<'_>,
    violations: &mut Violations,
) -> Result<(), Error> {
    let (after, before) = (id(write.after, "after_id"), id(write.after, "before_id"));
    for name in ["after_id", "before_id"] {
        write.after.set(name, Value::Null);
    }
    let Some(column) = column(write.after).filter(|_| violations.is_empty()) else { return Ok(()) };
    let scope = RowScope::from(&write.plan.cx.snapshot.predicate(DEAL.name, "read"));
    let mut found = Vec::new();
    for (at, side, other) in [("/after_id", Side::Behind, after), ("/before_id", Side::Before, before)] {
        let Some(other) = other else { continue };
        if other == write.after.id {
            violations.note(at, Reason::OUT_OF_RANGE, "a deal is not placed beside itself");
            continue;
        }
        match store::card(tx, column, other, &scope).await? {
            Some(card) => found.push((side, card)),
            None => violations.push(Violation::reference_not_found(at)),
        }
    }
    // Where both are named and are no neighbours any more, the first counts.
    let Some((side, card)) = found.into_iter().next().filter(|_| violations.is_empty()) else {
        return Ok(());
    };
    let deal = write.after.id;
    let now = write.plan.author.now;
    let key = match key_beside(tx, column, (&card, side), (deal, now)).await? {
        Some(key) if key.len() <= rank::LONG => key,
        long => {
            spread_around(tx, column, &card, (deal, now)).await?;
            let card =
                store::card(tx, column, card.id, &RowScope { all: true, ..RowScope::default() }).await?;
            let anew = match &card {
                Some(card) => key_beside(tx, column, (card, side), (deal, now)).await?,
                None => None,
            };
            // Others hold some of the cards: they are spread another time.
            anew.or(long).filter(|key| key.len() <= MOST_DIGITS).ok_or_else(|| {
                let text = "others place cards here at this moment; try again";
                Error::new(Code::Aborted, Reason::CONCURRENT_CHANGE, text)
            })?
        }
    };
    write.after.set("rank", key.into());
    Ok(())
}

/// The pipeline and the stage of a deal.
fn column(deal: &Record) -> Option<(Uuid, Uuid)> {
    Some((id(deal, "pipeline_id")?, id(deal, "stage_id")?))
}

/// A key between a card and its neighbour on that side, the deal itself aside; `None` where they have the same.
async fn key_beside(
    tx: &mut TenantTx,
    column: (Uuid, Uuid),
    (card, side): (&Card, Side),
    (deal, now): (Uuid, OffsetDateTime),
) -> Result<Option<String>, Error> {
    let other = store::neighbours(tx, column, card, side, deal, 1).await?.pop().map(|card| card.rank);
    Ok(match side {
        Side::Behind => between(Some(&card.rank), other.as_deref()),
        Side::Before => between(other.or_else(|| top(now, &card.rank)).as_deref(), Some(&card.rank)),
    })
}

/// What is before the first card: the key of a card that comes now, so that one that comes later is before whatever is put there.
fn top(now: OffsetDateTime, first: &str) -> Option<String> {
    [now, now + Duration::microseconds(1), now + SKEW]
        .into_iter()
        .map(rank::of_moment)
        .find(|key| key.as_str() < first)
}

/// Gives the cards around one new keys in the order that they have. That is no change of theirs: nobody sees another order.
async fn spread_around(
    tx: &mut TenantTx,
    column: (Uuid, Uuid),
    card: &Card,
    (deal, now): (Uuid, OffsetDateTime),
) -> Result<(), Error> {
    for window in WINDOWS {
        // One more on each side is the end of what is spread.
        let mut around = store::neighbours(tx, column, card, Side::Before, deal, window + 1).await?;
        let low = (around.len() as i64 > window).then(|| around.pop()).flatten();
        around.reverse();
        around.push(card.clone());
        around.extend(store::neighbours(tx, column, card, Side::Behind, deal, window + 1).await?);
        let is_bounded = around.len() as i64 > window * 2;
        let high = is_bounded.then(|| around.pop()).flatten();
        let key = |card: &Option<Card>| card.as_ref().map(|card| card.rank.clone());
        let first = around.first().map(|card| card.rank.clone()).unwrap_or_default();
        let low = key(&low).or_else(|| top(now, &first));
        let keys = spread(low.as_deref(), key(&high).as_deref(), around.len());
        let short = keys.filter(|keys| keys.iter().all(|key| key.len() <= rank::LONG / 2));
        if let Some(keys) = short {
            let ids: Vec<Uuid> = around.iter().map(|card| card.id).collect();
            store::set_ranks(tx, &ids, &keys).await?;
            return Ok(());
        }
    }
    Ok(())
}
