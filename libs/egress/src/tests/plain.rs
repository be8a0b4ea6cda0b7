//! Answers of servers that mean well.

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::{
    ALLOWED, Canary, EMPTY, FORBIDDEN, PATIENT, Scripted, answering, called, client, request, server, taken,
    target,
};
use crate::{ConnectFailure, Failure};

/// Also run by `guard::a_proxy_of_the_environment_is_not_used`, in a process of its own.
#[tokio::test]
async fn an_answer_comes_whole_with_timings_and_the_request_is_plain() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let at = server(move |mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(taken(&mut stream).await).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-one: 1\r\n\r\nhello";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let resolver = Scripted::new(&[&[ALLOWED]]);
    let target = target(&format!("http://hooks.example:{}/hook?a=1", at.port()));
    let attempt = client(resolver.clone(), PATIENT).call(&target, &request()).await;

    assert_eq!(attempt.status(), Ok(StatusCode::OK));
    assert_eq!(resolver.asked(), 1);
    assert_eq!(attempt.address, Some(at));
    assert_eq!(attempt.public_address(), None, "an internal address is not for everybody");
    let answer = attempt.answer.unwrap();
    assert!(answer.is_whole && &answer.body[..] == b"hello" && answer.headers["x-one"] == "1", "{answer:?}");
    let timings = attempt.timings;
    let parts = [timings.dns, timings.connect, timings.first_byte].map(Option::unwrap);
    assert!(
        timings.tls.is_none() && parts.iter().sum::<std::time::Duration>() <= timings.total,
        "{timings:?}"
    );

    let sent = told.recv().await.unwrap();
    assert!(sent.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{sent}");
    for header in [
        format!("host: hooks.example:{}", at.port()),
        "connection: close".to_owned(),
        "accept-encoding: identity".to_owned(),
        "content-length: 11".to_owned(),
        concat!("user-agent: GlobCRM/", env!("CARGO_PKG_VERSION")).to_owned(),
    ] {
        assert!(sent.contains(&format!("\r\n{header}\r\n")), "{header}: {sent}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let canary = Canary::at(ALLOWED, 0);
    let place = format!("http://{ALLOWED}:{}/", canary.port());
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let at =
            answering(format!("HTTP/1.1 {status}\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n")).await;
        let attempt = called(at, PATIENT).await;
        assert_eq!(attempt.status().unwrap().as_str(), &status[..3]);
        assert_eq!(attempt.answer.unwrap().headers["location"], place.as_str());
    }
    assert!(canary.is_untouched());
}

#[tokio::test]
async fn what_is_compressed_stays_as_it_is() {
    // The header of gzip, and bytes that are none.
    let packed: [u8; 13] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 255, 254, 253];
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let at = answering([head.as_bytes(), &packed].concat()).await;
    let answer = called(at, PATIENT).await.answer.unwrap();
    assert_eq!(&answer.body[..], packed);
    assert!(answer.is_whole && answer.headers["content-encoding"] == "gzip", "{answer:?}");
}

#[tokio::test]
async fn bodies_of_every_form_are_read() {
    let chunked =
        "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n";
    for (sent, body) in [
        (chunked, "abcde"),
        ("HTTP/1.0 200 OK\r\n\r\nto the end", "to the end"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 103 Early\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1", "1"),
    ] {
        let attempt = called(answering(sent).await, PATIENT).await;
        assert_eq!(attempt.failure, None, "{sent}");
        let answer = attempt.answer.unwrap();
        assert!(answer.is_whole && &answer.body[..] == body.as_bytes(), "{sent}: {answer:?}");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_takes_no_connection() {
    let at = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let target = target(&format!("http://hooks.example:{}/", at.port()));
    let both = client(Scripted::new(&[&[EMPTY, ALLOWED]]), PATIENT).call(&target, &request()).await;
    assert_eq!((both.status(), both.address), (Ok(StatusCode::OK), Some(at)));
    let one = client(Scripted::new(&[&[EMPTY]]), PATIENT).call(&target, &request()).await;
    assert_eq!(one.failure, Some(Failure::Connect(ConnectFailure::Refused)));
    assert!(one.answer.is_none() && one.timings.connect.is_some(), "{one:?}");
}

#[tokio::test]
async fn whoever_enters_a_url_is_told_what_a_call_would_be() {
    let answers: [&[_]; 4] = [&[ALLOWED], &[FORBIDDEN], &[ALLOWED, FORBIDDEN], &[]];
    let client = client(Scripted::new(&answers), PATIENT);
    let target = target("http://hooks.example/");
    let mut told = Vec::new();
    // The last one: a name that is not known.
    for _ in 0..=answers.len() {
        told.push(client.check(&target).await);
    }
    let (address, dns) = (Err(Failure::Address), Err(Failure::Dns));
    assert_eq!(told, [Ok(()), address, address, dns, dns]);
}
