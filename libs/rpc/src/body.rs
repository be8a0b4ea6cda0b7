//! An answer's body under the deadline of its call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

/// How long the rest of an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// All of it until then.
    Whole(Instant),
    /// So long for each piece, however many there are. Time in which nobody asks for a piece does not count.
    Piece(Duration),
}

/// Ends `body` with DEADLINE_EXCEEDED when the time is over: a peer that freezes after the head must not hold its caller.
/// `held` lives as long as the body.
pub(crate) struct Bounded<H> {
    body: Body,
    piece: Option<Duration>,
    end: Pin<Box<Sleep>>,
    /// Whether `end` is the end of the piece that is being waited for.
    waiting: bool,
    _held: H,
}

impl<H> Bounded<H> {
    pub(crate) fn new(body: Body, patience: Patience, held: H) -> Self {
        let (piece, end) = match patience {
            Patience::Whole(end) => (None, end),
            Patience::Piece(piece) => (Some(piece), Instant::now() + piece),
        };
        Self { body, piece, end: Box::pin(sleep_until(end)), waiting: false, _held: held }
    }
}

impl<H: Unpin> HttpBody for Bounded<H> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let ready @ Poll::Ready(_) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = false;
            return ready;
        }
        if let Some(piece) = this.piece
            && !this.waiting
        {
            this.end.as_mut().reset(Instant::now() + piece);
            this.waiting = true;
        }
        this.end
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(Status::deadline_exceeded("the peer did not answer in time"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request that comes back when nobody has read of it, so that it can be sent after all.
pub(crate) struct Returning {
    body: Option<Body>,
    back: Option<Returned>,
}

/// Where the body comes back to.
#[derive(Clone, Default)]
pub(crate) struct Returned(Arc<Mutex<Option<Body>>>);

impl Returned {
    /// Sends `body` out.
    pub(crate) fn lend(&self, body: Body) -> Body {
        Body::new(Returning { body: Some(body), back: Some(self.clone()) })
    }

    /// The body, if it has come back unread.
    pub(crate) fn take(&self) -> Option<Body> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Returning {
    /// From the first look on it does not come back.
    fn read(&mut self) -> &mut Body {
        self.back = None;
        self.body.get_or_insert_default()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(back) = &self.back {
            *back.lock() = self.body.take();
        }
    }
}

impl HttpBody for Returning {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(self.read()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
