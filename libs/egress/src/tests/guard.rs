//! Nobody is led to where nobody may be led: what is looked at is what is connected to.

use std::net::Ipv4Addr;
use std::process::Command;

use http::StatusCode;
use tokio::net::TcpListener;

use super::{ALLOWED, Canary, FORBIDDEN, PATIENT, Scripted, client, policy, request, serving, taken, target};
use crate::{Failure, REFUSED_ADDRESS, Target, UrlRefusal};

/// A server at the port of the canary, on the address that may be called.
async fn server_beside(canary: &Canary) {
    let listener = TcpListener::bind((ALLOWED, canary.port())).await.unwrap();
    serving(listener, |mut stream| async move {
        taken(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
    });
}

#[tokio::test]
async fn a_name_that_changes_its_address_after_it_was_looked_at_leads_nowhere() {
    let canary = Canary::at(FORBIDDEN, 0);
    server_beside(&canary).await;
    let resolver = Scripted::new(&[&[ALLOWED], &[ALLOWED], &[FORBIDDEN], &[ALLOWED]]);
    let client = client(resolver.clone(), PATIENT);
    let target = target(&format!("http://rebind.example:{}/", canary.port()));

    client.check(&target).await.unwrap();
    let attempt = client.call(&target, &request()).await;
    assert_eq!(attempt.status(), Ok(StatusCode::OK));
    assert_eq!(resolver.asked(), 2, "one answer for looking and connecting");
    let attempt = client.call(&target, &request()).await;
    assert_eq!((attempt.failure, attempt.address), (Some(Failure::Address), None));
    assert!(attempt.timings.connect.is_none());
    // And back again.
    assert_eq!(client.call(&target, &request()).await.status(), Ok(StatusCode::OK));
    assert_eq!(resolver.asked(), 4);
    assert!(canary.is_untouched());
}

#[tokio::test]
async fn one_forbidden_address_among_others_refuses_all() {
    let canary = Canary::at(FORBIDDEN, 0);
    let beside = Canary::at(ALLOWED, canary.port());
    let target = target(&format!("http://mixed.example:{}/", canary.port()));
    let metadata = Ipv4Addr::new(169, 254, 169, 254);
    let answers: [&[_]; 4] = [
        &[ALLOWED, FORBIDDEN],
        &[FORBIDDEN, ALLOWED],
        &[ALLOWED, ALLOWED, ALLOWED, ALLOWED, FORBIDDEN],
        &[ALLOWED, metadata],
    ];
    let client = client(Scripted::new(&answers), PATIENT);
    for answer in answers {
        let attempt = client.call(&target, &request()).await;
        assert_eq!(attempt.failure, Some(Failure::Address), "{answer:?}");
    }
    assert!(canary.is_untouched() && beside.is_untouched());
}

#[tokio::test]
async fn an_address_in_a_url_is_looked_at_although_no_resolver_is_asked() {
    let canary = Canary::at(FORBIDDEN, 0);
    let resolver = Scripted::new(&[]);
    let client = client(resolver.clone(), PATIENT);
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let url = format!("http://{host}:{}/", canary.port());
        assert_eq!(Target::read(&url, &policy()), Err(UrlRefusal::Address), "{url}");
        // One that was taken when the operator still allowed it.
        let before = crate::Policy { allow_http: true, addresses: "127.0.0.0/8".parse().unwrap() };
        let Ok(target) = Target::read(&url, &before) else { continue };
        assert_eq!(client.call(&target, &request()).await.failure, Some(Failure::Address), "{url}");
    }
    assert_eq!(resolver.asked(), 0);
    assert!(canary.is_untouched());
}

/// The variables are another process's, as they cannot be set in this one while other tests run.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let canary = Canary::at(FORBIDDEN, 0);
    let proxy = format!("http://{FORBIDDEN}:{}", canary.port());
    let test = "tests::plain::an_answer_comes_whole_with_timings_and_the_request_is_plain";
    let mut child = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, &proxy);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        child.env_remove(name);
    }
    let done = child.args(["--exact", test]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    assert!(canary.is_untouched());
}

#[test]
fn failures_have_one_text_for_every_forbidden_address_and_name_none() {
    assert_eq!(Failure::Address.to_string(), format!("the URL {REFUSED_ADDRESS}"));
    assert_eq!(Failure::from(UrlRefusal::Address), Failure::Address);
    assert_eq!(Failure::from(UrlRefusal::NotHttps).to_string(), "the URL must begin with https://");
    let classes = [Failure::Address, Failure::Dns, Failure::Broken, Failure::HeadTooLarge].map(|f| f.class());
    assert_eq!(classes, ["address", "dns", "broken", "head_too_large"]);
}
