//! One window: publish in order, then wait for every confirm.

use std::collections::HashSet;

use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, ShortString};
use lapin::{BasicProperties, Channel, Confirmation};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::store::Row;
use crate::broker::{routing_key, table};
use crate::{BrokerError, Lane, trace};

/// What became of each message of a window, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Confirmed, and routed to a queue.
    pub(super) taken: Vec<bool>,
    /// Why the others were not.
    pub(super) why: &'static str,
}

/// Publishes `rows`, of which none may have to wait for another, and waits for all their confirms. An error leaves the outcome of the whole window unknown.
pub(super) async fn window(
    channel: &Channel,
    exchange: &str,
    service: &str,
    rows: &[&(Lane, Row)],
) -> Result<Outcome, BrokerError> {
    let mut pending = Vec::with_capacity(rows.len());
    for (lane, row) in rows {
        let mut properties = BasicProperties::default()
            .with_message_id(row.event_id.to_string().into())
            .with_type(ShortString::from(row.kind.as_str()))
            .with_content_type("application/cloudevents+protobuf".into())
            .with_timestamp(row.recorded_at.unix_timestamp().max(0) as u64)
            .with_delivery_mode(2)
            .with_app_id(format!("globcrm-{service}").into());
        // One span an event for what somebody waits for; thousands of an import would bury its trace.
        let parent = row.traceparent.as_deref().filter(|_| *lane == Lane::Interactive);
        let span = parent.map_or_else(Span::none, |traceparent| {
            let span = tracing::info_span!(
                parent: None,
                "publish",
                otel.name = %format!("{} publish", row.kind),
                otel.kind = "producer",
                messaging.system = "rabbitmq",
                messaging.message.id = %row.event_id,
            );
            trace::continue_from(&span, Some(traceparent));
            span
        });
        if let Some(traceparent) = &row.traceparent {
            let header = AMQPValue::LongString(traceparent.as_str().into());
            properties = properties.with_headers(table([("traceparent", header)]));
        }
        let key = routing_key(*lane, row.part as u8, &row.kind);
        // Mandatory: what no queue and no alternate exchange takes comes back instead of vanishing.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let publish = channel.basic_publish(exchange.into(), key.into(), options, &row.envelope, properties);
        let confirm = publish.instrument(span).await?;
        pending.push(confirm);
    }
    let mut confirmations = Vec::with_capacity(pending.len());
    for confirm in pending {
        confirmations.push(confirm.await?);
    }
    let ids: Vec<Uuid> = rows.iter().map(|(_, row)| row.event_id).collect();
    let verdicts = confirmations.into_iter().map(Verdict::of).collect::<Result<_, _>>()?;
    Ok(outcome(&ids, verdicts))
}

/// A confirmation reduced to what counts.
struct Verdict {
    ack: bool,
    /// The message id of a returned message. It need not be the one confirmed here: lapin hands a return to whichever confirm
    /// resolves next, and the broker may confirm in any order.
    returned: Option<String>,
}

impl Verdict {
    fn of(confirmation: Confirmation) -> Result<Self, BrokerError> {
        let ack = match confirmation {
            Confirmation::Ack(_) => true,
            Confirmation::Nack(_) => false,
            Confirmation::NotRequested => return Err(BrokerError::NoConfirms),
        };
        let returned = confirmation
            .take_message()
            .map(|m| m.properties.message_id().as_ref().map_or_else(String::new, ToString::to_string));
        Ok(Self { ack, returned })
    }
}

/// Matches returns to messages by id. Sound only for a whole window: the broker sends a return before the confirm of the
/// same message, so once all are confirmed every return was handed out.
fn outcome(ids: &[Uuid], verdicts: Vec<Verdict>) -> Outcome {
    let returned: HashSet<&str> = verdicts.iter().filter_map(|v| v.returned.as_deref()).collect();
    if returned.contains("") {
        // A return without an id could be any of them.
        return Outcome { taken: vec![false; ids.len()], why: "returned" };
    }
    let taken = ids
        .iter()
        .zip(&verdicts)
        .map(|(id, v)| v.ack && !returned.contains(id.to_string().as_str()))
        .collect();
    Outcome { taken, why: if returned.is_empty() { "nack: a queue is full" } else { "returned: no queue" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(ack: bool, returned: Option<Uuid>) -> Verdict {
        Verdict { ack, returned: returned.map(|id| id.to_string()) }
    }

    #[test]
    fn a_return_counts_for_the_message_it_names_and_not_for_the_confirm_it_came_with() {
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        // The return of the second message arrives with the confirm of the fourth.
        let verdicts =
            vec![verdict(true, None), verdict(true, None), verdict(false, None), verdict(true, Some(ids[1]))];
        assert_eq!(outcome(&ids, verdicts).taken, [true, false, false, true]);
    }

    #[test]
    fn a_return_without_an_id_spoils_the_window() {
        let ids: Vec<Uuid> = (1..=2).map(Uuid::from_u128).collect();
        let nameless = Verdict { ack: true, returned: Some(String::new()) };
        assert_eq!(outcome(&ids, vec![verdict(true, None), nameless]).taken, [false, false]);
    }

    #[test]
    fn without_confirms_nothing_is_promised() {
        assert!(matches!(Verdict::of(Confirmation::NotRequested), Err(BrokerError::NoConfirms)));
    }
}
