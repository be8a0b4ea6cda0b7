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

/// Whatever a call holds until its answer is over.
pub(crate) trait Held: Unpin {
    /// The answer came whole; else the call is broken off by the drop.
    fn came(&self) {}
}

impl Held for () {}

/// Ends `body` with DEADLINE_EXCEEDED when the time is over: a peer that freezes after the head must not hold its caller.
/// `held` lives as long as the body.
pub(crate) struct Bounded<H: Held> {
    body: Body,
    piece: Option<Duration>,
    end: Pin<Box<Sleep>>,
    /// Whether `end` is the end of the piece that is being waited for.
    waiting: bool,
    held: H,
}

impl<H: Held> Bounded<H> {
    pub(crate) fn new(body: Body, patience: Patience, held: H) -> Self {
        let (piece, end) = match patience {
            Patience::Whole(end) => (None, end),
            Patience::Piece(piece) => (Some(piece), Instant::now() + piece),
        };
        Self { body, piece, end: Box::pin(sleep_until(end)), waiting: false, held }
    }
}

impl<H: Held> Drop for Bounded<H> {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.held.came();
        }
    }
}

impl<H: Held> HttpBody for Bounded<H> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    const SECOND: Duration = Duration::from_secs(1);

    /// An answer whose service gives a piece each `pause`, so many in all.
    struct Slow {
        left: usize,
        pause: Duration,
        next: Pin<Box<Sleep>>,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            std::task::ready!(self.next.as_mut().poll(cx));
            let next = Instant::now() + self.pause;
            self.next.as_mut().reset(next);
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        }
    }

    /// How many of ten pieces come, and how it ends, when the reader takes `rest` after each.
    async fn read(pause: Duration, patience: Patience, rest: Duration) -> (usize, Option<tonic::Code>) {
        let next = Box::pin(sleep_until(Instant::now() + pause));
        let mut body = Bounded::new(Body::new(Slow { left: 10, pause, next }), patience, ());
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(_) => pieces += 1,
                Err(status) => return (pieces, Some(status.code())),
            }
            tokio::time::sleep(rest).await;
        }
        (pieces, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_comes_whole_while_its_pieces_come_in_time() {
        let whole = Patience::Whole(Instant::now() + SECOND * 2 + SECOND / 2);
        let cut = Some(tonic::Code::DeadlineExceeded);
        assert_eq!(read(SECOND, whole, Duration::ZERO).await, (2, cut), "a whole in its time");
        let piece = Patience::Piece(SECOND * 2);
        assert_eq!(
            read(SECOND, piece, Duration::ZERO).await,
            (10, None),
            "five times as long as one piece may take"
        );
        assert_eq!(read(SECOND, piece, SECOND * 5).await, (10, None), "nor does a reader's own time count");
        assert_eq!(read(SECOND * 3, piece, Duration::ZERO).await, (0, cut), "a service that stands");
    }
}
