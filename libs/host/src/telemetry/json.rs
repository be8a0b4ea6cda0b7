//! Log lines as flat JSON objects: what happened, and to whose call it belongs.

use std::fmt::Debug;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use ids::Clock;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Subscriber, dispatcher::WeakDispatch};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Span fields that every line inside the span carries.
const CARRIED: [&str; 3] = ["tenant_id", "request_id", "task"];
/// A field's text is cut here: a log line is no place for a payload.
const MAX_TEXT: usize = 8_192;

/// The layer. `make` gives the writer of one line.
pub(super) struct JsonLog<M> {
    service: String,
    make: M,
    clock: Clock,
    dispatch: Mutex<Option<WeakDispatch>>,
}

impl<M> JsonLog<M> {
    pub(super) fn new(service: String, make: M) -> Self {
        Self { service, make, clock: Clock::system(), dispatch: Mutex::default() }
    }

    /// Trace and span id of the span that logs.
    fn trace(&self, span: &Id) -> Option<(String, String)> {
        let dispatch = self.dispatch.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(span, &dispatch)?;
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
    }
}

/// What a span carries.
#[derive(Default)]
struct Carried(Map<String, Value>);

struct Fields<'a> {
    into: &'a mut Map<String, Value>,
    only: Option<&'static [&'static str]>,
}

impl Fields<'_> {
    fn wants(&self, field: &Field) -> bool {
        self.only.is_none_or(|only| only.contains(&field.name()))
    }

    fn put(&mut self, field: &Field, value: Value) {
        if self.wants(field) {
            self.into.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let mut end = value.len().min(MAX_TEXT);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.put(field, value[..end].into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.wants(field) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

impl<S, M, W> Layer<S> for JsonLog<M>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    M: Fn() -> W + 'static,
    W: Write,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        *self.dispatch.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscriber.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut carried = Carried::default();
        attributes.record(&mut Fields { into: &mut carried.0, only: Some(&CARRIED) });
        // Most spans carry nothing.
        if !carried.0.is_empty() {
            span.extensions_mut().insert(carried);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut carried = Carried::default();
        values.record(&mut Fields { into: &mut carried.0, only: Some(&CARRIED) });
        if carried.0.is_empty() {
            return;
        }
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Carried>() {
            Some(known) => known.0.extend(carried.0),
            None => extensions.insert(carried),
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        let metadata = event.metadata();
        let now = self.clock.now().format(&Rfc3339).unwrap_or_default();
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        event.record(&mut Fields { into: &mut line, only: None });
        // After the fields of the event: lines are sorted by what wrote them, and none says otherwise.
        line.insert("service".to_owned(), self.service.as_str().into());
        line.insert("service.version".to_owned(), env!("CARGO_PKG_VERSION").into());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(carried) = span.extensions().get::<Carried>() {
                for (name, value) in &carried.0 {
                    // From the inside out: the nearest span speaks.
                    line.entry(name.as_str()).or_insert_with(|| value.clone());
                }
            }
        }
        if let Some((trace, span)) = context.event_span(event).and_then(|span| self.trace(&span.id())) {
            line.insert("trace_id".to_owned(), trace.into());
            line.insert("span_id".to_owned(), span.into());
        }
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        // There is nowhere to tell that the log itself cannot be written.
        drop((self.make)().write_all(&bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_says_whose_call_it_belongs_to_and_in_which_trace() {
        let sink = Sink::default();
        let own = sink.clone();
        let provider = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
            .with(JsonLog::new("globcrm-records".to_owned(), move || own.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(
                "rpc",
                tenant_id = tracing::field::Empty,
                request_id = "r-1",
                secret = "s"
            );
            let mut headers = ::http::HeaderMap::new();
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            headers.insert("traceparent", parent.parse().unwrap());
            crate::trace::continue_from(&span, &headers);
            span.record("tenant_id", "t-1");
            span.in_scope(|| {
                let inner = tracing::info_span!("inner");
                inner.in_scope(|| tracing::warn!(rows = 3, service = "another", "slow\nquery"));
            });
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        for (name, value) in [
            ("message", "slow\nquery"),
            ("level", "WARN"),
            ("service", "globcrm-records"),
            ("tenant_id", "t-1"),
            ("request_id", "r-1"),
            ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ] {
            assert_eq!(line[name], value, "{text}");
        }
        assert_eq!(line["rows"], 3);
        assert!(!line.contains_key("secret"), "only named span fields are carried");
        assert_ne!(line["span_id"], "b7ad6b7169203331", "the span is our own");
    }
}
