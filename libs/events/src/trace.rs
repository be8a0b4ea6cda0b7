//! Trace context across the broker: `traceparent` as plain text in the outbox, the AMQP headers and the consumer's span.

use std::collections::HashMap;

use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes `span` a child of the call that caused the event.
pub(crate) fn continue_from(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
    // Without a telemetry layer there is nothing to continue; the span still carries the text.
    if let Err(reason) = span.set_parent(parent) {
        tracing::trace!(%reason, "no telemetry layer");
    }
}
