//! Answers on their way out. A client that does not take them is cut off, so that what waits for it is bounded in time.
//!
//! An answer goes out in pieces of at most [`PIECE`] bytes, and each piece tells when it has left the process (its bytes are
//! dropped). A large answer over HTTP/2 hands out two pieces at a time and has its stream reset when they lie for too long; other
//! streams of the connection go on, as they may belong to other people behind one proxy. For what goes out as one piece, and for
//! HTTP/1, the connection itself is cut off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connections::OpenRequest;

/// Bytes that go out at once.
pub(crate) const PIECE: usize = 64 << 10;
/// Pieces of one stream that lie at once.
const AHEAD: usize = 2;
/// Turns of a connection's clock in which pieces are told apart.
const TURNS: usize = 4;

/// What has been handed out on one connection and has not left.
#[derive(Debug)]
pub(crate) struct Outgoing {
    turn: AtomicUsize,
    /// Pieces by the turn in which they were handed out.
    lying: [AtomicUsize; TURNS],
}

impl Outgoing {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { turn: AtomicUsize::new(0), lying: Default::default() })
    }

    /// To be called each half of the time that a piece may lie: whether one has lain for the whole of it.
    pub(crate) fn is_stuck(&self) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
        // Handed out three turns ago, in the place that the next turn will use.
        self.place(turn + 1).load(Ordering::Relaxed) > 0
    }

    fn place(&self, turn: usize) -> &AtomicUsize {
        &self.lying[turn % TURNS]
    }
}

/// One piece; it has left when it is dropped.
struct Piece {
    bytes: Bytes,
    of: Of,
}

enum Of {
    Connection(Arc<Outgoing>, usize),
    Stream(Arc<Stream>),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        match &self.of {
            Of::Connection(outgoing, turn) => {
                outgoing.place(*turn).fetch_sub(1, Ordering::Relaxed);
            }
            Of::Stream(stream) => stream.left(),
        }
    }
}

fn piece_of_connection(bytes: Bytes, outgoing: &Arc<Outgoing>) -> Bytes {
    let turn = outgoing.turn.load(Ordering::Relaxed);
    outgoing.place(turn).fetch_add(1, Ordering::Relaxed);
    Bytes::from_owner(Piece { bytes, of: Of::Connection(outgoing.clone(), turn) })
}

/// What lies of one HTTP/2 stream.
#[derive(Debug, Default)]
struct Stream {
    /// Its answer is a large one.
    large: Notify,
    lying: Mutex<Lying>,
}

#[derive(Debug, Default)]
struct Lying {
    /// When each piece that lies was handed out.
    pieces: VecDeque<Instant>,
    waker: Option<Waker>,
}

impl Stream {
    fn lock(&self) -> std::sync::MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) {
        let waker = {
            let mut lying = self.lock();
            // They leave in their order.
            lying.pieces.pop_front();
            lying.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends when a piece has lain for `stall`.
    async fn stalled(&self, stall: Duration) {
        self.large.notified().await;
        loop {
            let oldest = self.lock().pieces.front().copied();
            let until = oldest.unwrap_or_else(Instant::now) + stall;
            sleep_until(until).await;
            if oldest.is_some() && self.lock().pieces.front().copied() == oldest {
                return;
            }
        }
    }
}

tokio::task_local! {
    static STREAM: Arc<Stream>;
}

/// Runs the streams of HTTP/2 connections; one whose answer is not taken is dropped, which resets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    pub(crate) stall: Option<Duration>,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let Some(stall) = self.stall else { return TokioExecutor::new().execute(stream) };
        TokioExecutor::new().execute(async move {
            let lying = Arc::new(Stream::default());
            let watched = lying.clone();
            tokio::select! {
                biased;
                _ = STREAM.scope(lying, stream) => {}
                () = watched.stalled(stall) => tracing::debug!("a client does not take its answer; the stream is reset"),
            }
        });
    }
}

/// The body of an answer, in pieces.
pub(crate) struct Pieces {
    body: Body,
    way: Way,
    /// What is left of the last frame.
    rest: Bytes,
    ended: bool,
    /// The request that is answered is open for as long as this lives.
    _open: OpenRequest,
}

enum Way {
    /// As it is.
    Plain,
    /// A piece at a time, as the connection takes them.
    Connection(Arc<Outgoing>),
    /// Two pieces at a time, and the end when they have left.
    Stream(Arc<Stream>),
}

impl Pieces {
    /// An answer that goes out as it is.
    pub(crate) fn plain(body: Body, open: OpenRequest) -> Self {
        Self { body, way: Way::Plain, rest: Bytes::new(), ended: false, _open: open }
    }

    /// An answer on a connection. `multiplexed`: HTTP/2.
    pub(crate) fn on(outgoing: &Arc<Outgoing>, body: Body, multiplexed: bool, open: OpenRequest) -> Self {
        let small = body.size_hint().exact().is_some_and(|size| size <= PIECE as u64);
        let stream = if multiplexed && !small { STREAM.try_with(Clone::clone).ok() } else { None };
        let way = match stream {
            Some(stream) => {
                stream.large.notify_one();
                Way::Stream(stream)
            }
            None => Way::Connection(outgoing.clone()),
        };
        Self { body, way, rest: Bytes::new(), ended: false, _open: open }
    }

    /// Whether the next step must wait for what lies; then it is told when to look again.
    fn waits(&self, cx: &mut Context<'_>) -> bool {
        let Way::Stream(stream) = &self.way else { return false };
        let mut lying = stream.lock();
        let most = if self.rest.is_empty() && self.ended { 0 } else { AHEAD - 1 };
        let waits = lying.pieces.len() > most;
        if waits {
            lying.waker = Some(cx.waker().clone());
        }
        waits
    }

    fn piece(&mut self) -> Bytes {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE));
        match &self.way {
            Way::Plain => bytes,
            Way::Connection(outgoing) => piece_of_connection(bytes, outgoing),
            Way::Stream(stream) => {
                stream.lock().pieces.push_back(Instant::now());
                Bytes::from_owner(Piece { bytes, of: Of::Stream(stream.clone()) })
            }
        }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if matches!(this.way, Way::Plain) {
            return Pin::new(&mut this.body).poll_frame(cx);
        }
        loop {
            if this.waits(cx) {
                return Poll::Pending;
            }
            if !this.rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(this.piece()))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => this.ended = true,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.rest = data;
                        this.ended = this.body.is_end_stream();
                    }
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.way {
            Way::Plain => self.body.is_end_stream(),
            Way::Connection(_) => self.rest.is_empty() && (self.ended || self.body.is_end_stream()),
            // The end is told when all has left, so that the stream lives, and can be reset, until then.
            Way::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        if !self.rest.is_empty() {
            let rest = self.rest.len() as u64;
            let upper = hint.upper();
            hint.set_lower(hint.lower() + rest);
            if let Some(upper) = upper {
                hint.set_upper(upper + rest);
            }
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn a_piece_that_has_lain_for_two_turns_and_more_is_seen() {
        let outgoing = Outgoing::new();
        assert!(!outgoing.is_stuck());
        let piece = piece_of_connection(Bytes::from_static(b"x"), &outgoing);
        assert!(!outgoing.is_stuck() && !outgoing.is_stuck());
        assert!(outgoing.is_stuck());
        drop(piece);
        assert!((0..9).all(|_| !outgoing.is_stuck()));
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_the_same_body() {
        let bytes: Vec<u8> = (0..5 * PIECE + 7).map(|n| (n % 251) as u8).collect();
        for multiplexed in [false, true] {
            let stream = Arc::new(Stream::default());
            STREAM
                .scope(stream.clone(), async {
                    let mut body = Pieces::on(
                        &Outgoing::new(),
                        Body::from(bytes.clone()),
                        multiplexed,
                        OpenRequest::alone(),
                    );
                    let mut got = Vec::new();
                    assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
                    while let Some(frame) = body.frame().await {
                        let data = frame.unwrap().into_data().unwrap();
                        assert!(data.len() <= PIECE);
                        got.extend_from_slice(&data);
                    }
                    assert!(got == bytes);
                })
                .await;
            assert!(stream.lock().pieces.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_that_lie_end_their_stream_and_those_that_leave_do_not() {
        let (stall, nearly) = (Duration::from_secs(20), Duration::from_secs(19));
        let stream = Arc::new(Stream::default());
        let watched = stream.clone();
        let reading = STREAM.scope(stream, async {
            let mut body =
                Pieces::on(&Outgoing::new(), Body::from(vec![0; 20 * PIECE]), true, OpenRequest::alone());
            // Slow, and yet it goes on.
            for _ in 0..15 {
                let frame = body.frame().await.unwrap().unwrap();
                tokio::time::sleep(nearly).await;
                drop(frame);
            }
            let kept = [body.frame().await, body.frame().await];
            let third = body.frame().await;
            drop(kept);
            third.is_some()
        });
        let began = Instant::now();
        tokio::select! {
            _ = reading => panic!("a third piece came"),
            () = watched.stalled(stall) => {}
        }
        assert!(began.elapsed() >= 15 * nearly + stall, "{:?}", began.elapsed());
    }
}
