//! Answers of servers that do not mean well: each ends, keeps a bounded number of bytes, and gives the server's side up.

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{LONG, PATIENT, Scripted, answering, called, client, request, server, taken, target};
use crate::{
    Attempt, Client, Deadlines, EgressConfig, Failure, MOST_BODY_BYTES, MOST_HEAD_BYTES, MOST_HEADERS, Phase,
    Policy, Resolve, Resolved, Target, TlsFailure,
};

/// Long enough that what comes before is done by then.
const SHORT: Duration = Duration::from_millis(1_500);

/// Calls a server that sends this, then a piece again and again, until the connection is closed by the caller.
async fn flooded(first: &'static str, piece: Vec<u8>, pause: Duration, deadlines: Deadlines) -> Attempt {
    let (tell, mut told) = mpsc::unbounded_channel();
    let at = server(move |mut stream| {
        let (tell, piece) = (tell.clone(), piece.clone());
        async move {
            taken(&mut stream).await;
            if stream.write_all(first.as_bytes()).await.is_ok() {
                while stream.write_all(&piece).await.is_ok() {
                    sleep(pause).await;
                }
            }
            tell.send(()).unwrap();
        }
    })
    .await;
    let attempt = called(at, deadlines).await;
    timeout(LONG, told.recv()).await.expect("the connection is closed");
    attempt
}

#[tokio::test]
async fn a_body_of_a_byte_now_and_then_ends_with_the_call() {
    let deadlines = Deadlines { total: SHORT, ..PATIENT };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n";
    let attempt = flooded(head, b"x".to_vec(), Duration::from_millis(20), deadlines).await;
    assert_eq!(attempt.failure, Some(Failure::Timeout(Phase::Body)));
    assert_eq!(attempt.status(), Err(Failure::Timeout(Phase::Body)));
    let answer = attempt.answer.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.is_whole && answer.body.starts_with(b"x") && answer.body.len() < 500, "{answer:?}");
}

#[tokio::test]
async fn of_a_body_without_end_the_beginning_is_kept_and_that_is_no_failure() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n",
    ] {
        let attempt = flooded(head, vec![b'x'; 64 << 10], Duration::ZERO, PATIENT).await;
        assert_eq!(attempt.status(), Ok(StatusCode::OK), "{head}");
        let answer = attempt.answer.unwrap();
        assert_eq!((answer.body.len(), answer.is_whole), (MOST_BODY_BYTES, false), "{head}");
    }
}

#[tokio::test]
async fn the_longest_body_is_whole_and_one_byte_more_is_not() {
    for (length, is_whole) in [(MOST_BODY_BYTES, true), (MOST_BODY_BYTES + 1, false)] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let at = answering([head.into_bytes(), vec![b'x'; length]].concat()).await;
        let answer = called(at, PATIENT).await.answer.unwrap();
        assert_eq!((answer.body.len(), answer.is_whole), (MOST_BODY_BYTES, is_whole));
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_or_has_too_many_headers_is_not_read() {
    let one = format!("x: {}\r\n", "a".repeat(MOST_HEAD_BYTES));
    for headers in [one.clone(), one.repeat(4), "x: y\r\n".repeat(MOST_HEADERS + 1)] {
        let at = answering(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).await;
        let attempt = called(at, PATIENT).await;
        assert_eq!((attempt.failure, attempt.answer), (Some(Failure::HeadTooLarge), None));
    }
    let endless = flooded("HTTP/1.1 200 OK\r\nx: ", vec![b'a'; 4 << 10], Duration::ZERO, PATIENT).await;
    assert_eq!(endless.failure, Some(Failure::HeadTooLarge));
    let at = answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(MOST_HEADERS))).await;
    assert_eq!(called(at, PATIENT).await.failure, None);
}

#[tokio::test]
async fn interim_answers_without_end_come_to_one() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
    let attempt = flooded(interim, interim.repeat(10).into_bytes(), Duration::ZERO, PATIENT).await;
    assert_eq!((attempt.failure, attempt.answer), (Some(Failure::HeadTooLarge), None));
}

#[tokio::test]
async fn a_connection_that_ends_early_is_broken_and_what_came_is_kept() {
    let at = answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhel").await;
    let attempt = called(at, PATIENT).await;
    assert_eq!(attempt.failure, Some(Failure::Broken));
    let answer = attempt.answer.unwrap();
    assert!(answer.status == StatusCode::OK && &answer.body[..] == b"hel" && !answer.is_whole, "{answer:?}");
}

#[tokio::test]
async fn a_reset_after_the_head_is_broken() {
    let at = server(|mut stream: TcpStream| async move {
        taken(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhel").await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(called(at, PATIENT).await.failure, Some(Failure::Broken));
}

#[tokio::test]
async fn what_is_not_http_is_broken() {
    for sent in
        ["", "SSH-2.0-OpenSSH_9.9\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1 twohundred OK\r\n\r\n", "\0\0\0\0"]
    {
        let attempt = called(answering(sent).await, PATIENT).await;
        assert_eq!((attempt.failure, attempt.answer), (Some(Failure::Broken), None), "{sent:?}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline_of_what_is_waited_for() {
    let at = server(|mut stream: TcpStream| async move {
        taken(&mut stream).await;
        std::future::pending().await
    })
    .await;
    let attempt = called(at, Deadlines { total: SHORT, ..PATIENT }).await;
    assert_eq!((attempt.failure, attempt.answer), (Some(Failure::Timeout(Phase::Answer)), None));

    // A server that takes the beginning of the handshake and says nothing.
    let at = server(|stream: TcpStream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    let secure = Target::read(&format!("https://{at}/"), &super::policy()).unwrap();
    let client_of_tls = client(Scripted::new(&[]), Deadlines { tls: SHORT, ..PATIENT });
    let attempt = client_of_tls.call(&secure, &request()).await;
    assert_eq!(attempt.failure, Some(Failure::Timeout(Phase::Tls)));
    assert!(attempt.timings.connect.is_some() && attempt.timings.tls.is_some(), "{attempt:?}");

    let attempt =
        client(Scripted::new(&[]), Deadlines { total: SHORT, ..PATIENT }).call(&secure, &request()).await;
    assert_eq!(attempt.failure, Some(Failure::Timeout(Phase::Tls)), "the deadline of all says where it was");
}

#[tokio::test]
async fn a_server_without_tls_is_told_so() {
    let at = server(|mut stream: TcpStream| async move {
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    })
    .await;
    let secure = Target::read(&format!("https://{at}/"), &super::policy()).unwrap();
    let attempt = client(Scripted::new(&[]), PATIENT).call(&secure, &request()).await;
    assert_eq!(attempt.failure, Some(Failure::Tls(TlsFailure::Handshake)));
}

/// Never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolved<'a> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_left() {
    let deadlines = Deadlines { dns: Duration::from_millis(50), ..PATIENT };
    let config = EgressConfig {
        policy: Policy { allow_http: true, ..Policy::default() },
        authorities: tls::RootCertStore::empty(),
    };
    let client = Client::new(config, deadlines, std::sync::Arc::new(Silent)).unwrap();
    let attempt = client.call(&target("http://hooks.example/"), &request()).await;
    assert_eq!((attempt.failure, attempt.address), (Some(Failure::Timeout(Phase::Dns)), None));
    assert!(attempt.timings.dns.is_some(), "by its own deadline: that of all leaves no time of a part");
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_no_connection() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let at = server(move |mut stream| {
        let tell = tell.clone();
        async move {
            taken(&mut stream).await;
            tell.send("taken").unwrap();
            // Nothing more comes until the other side is gone.
            drop(stream.read(&mut [0]).await);
            tell.send("gone").unwrap();
        }
    })
    .await;
    tokio::select! {
        attempt = called(at, PATIENT) => panic!("{attempt:?}"),
        heard = told.recv() => assert_eq!(heard, Some("taken")),
    }
    assert_eq!(timeout(LONG, told.recv()).await.unwrap(), Some("gone"));
}
