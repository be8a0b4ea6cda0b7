//! How many statements a call sends to the database.

use std::cell::Cell;
use std::sync::Once;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, registry};

/// Counts what sqlx says of each statement when it is over, by threads.
struct Counter;

/// One for all: subscribers that come and go with their tests are not told of what another thread has met first.
static INSTALLED: Once = Once::new();

thread_local! {
    static ENDED: Cell<usize> = const { Cell::new(0) };
}

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        ENDED.set(ENDED.get() + 1);
    }
}

/// What a call gives, and how many statements ended meanwhile on this thread: for a test whose runtime has no other.
pub async fn statements<T>(call: impl Future<Output = T>) -> (T, usize) {
    INSTALLED.call_once(|| {
        let counter = Counter.with_filter(filter_fn(|metadata| metadata.target() == "sqlx::query"));
        tracing::subscriber::set_global_default(registry().with(counter))
            .expect("nobody else has installed one");
    });
    let before = ENDED.get();
    let given = call.await;
    let count = ENDED.get() - before;
    assert!(count > 0, "no statement was seen: sqlx does not say what it does");
    (given, count)
}
