//! An answer's body under the deadline of its call.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

/// Ends `body` with DEADLINE_EXCEEDED when the time is over: a peer that freezes after the head must not hold its caller.
/// `held` lives as long as the body.
pub(crate) struct Bounded<H> {
    body: Body,
    end: Pin<Box<Sleep>>,
    _held: H,
}

impl<H> Bounded<H> {
    pub(crate) fn new(body: Body, deadline: Instant, held: H) -> Self {
        Self { body, end: Box::pin(sleep_until(deadline)), _held: held }
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
            return ready;
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
