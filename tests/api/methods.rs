//! HEAD, OPTIONS and methods that a path does not have (RFC 9110, 9.3 and 15.5.6).

use reqwest::Method;

use super::{contact, problem};
use crate::stage::Stage;

#[tokio::test]
async fn head_is_get_without_the_body() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("head").await;
    let path = contact(&tenant, "Head").await;
    for path in [path.as_str(), "/api/v1/contacts", "/api/v1/openapi.json", "/healthz"] {
        let got = tenant.admin.get(path).await;
        let head = tenant.admin.call(Method::HEAD, path).send().await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), Some(got.text.len().to_string().as_str()), "{path}");
        for name in ["etag", "content-type", "permission-version", "cache-control"] {
            assert_eq!(head.header(name), got.header(name), "{path} {name}");
        }
    }
    let got = tenant.admin.get(&path).await;
    let tag = got.header("etag").expect("a tag");
    let held = tenant.admin.call(Method::HEAD, &path).header("if-none-match", tag).send().await;
    assert_eq!((held.status, held.header("etag")), (304, Some(tag)));
    let anonymous = stage.anonymous.call(Method::HEAD, &path).send().await;
    assert_eq!((anonymous.status, anonymous.text.as_str()), (401, ""));
    assert!(anonymous.header("www-authenticate").is_some());
    let none = tenant.admin.call(Method::HEAD, "/api/v1/nothing").send().await;
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn options_tells_the_methods_and_needs_no_credentials() {
    let stage = Stage::shared().await;
    for (path, allow) in [
        ("/api/v1/contacts", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/contacts/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/api/v1/contacts/x:restore", "OPTIONS, POST"),
        ("/api/v1/auth/login", "OPTIONS, POST"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/problems", "GET, HEAD, OPTIONS"),
        ("/problems/VERSION_STALE", "GET, HEAD, OPTIONS"),
    ] {
        let answer = stage.anonymous.call(Method::OPTIONS, path).send().await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    problem(&stage.anonymous.call(Method::OPTIONS, "/api/v1/nothing").send().await, 404, "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_405_and_an_unknown_path_404() {
    let stage = Stage::shared().await;
    for (verb, path) in [
        (Method::PUT, "/api/v1/contacts"),
        (Method::DELETE, "/api/v1/contacts"),
        (Method::POST, "/api/v1/contacts/x"),
        (Method::HEAD, "/api/v1/auth/login"),
        (Method::POST, "/docs"),
        (Method::POST, "/problems/VERSION_STALE"),
        (Method::TRACE, "/api/v1/contacts"),
    ] {
        let answer = stage.anonymous.call(verb.clone(), path).send().await;
        assert_eq!(answer.status, 405, "{verb} {path}");
        assert!(answer.header("allow").is_some_and(|a| !a.contains(verb.as_str())), "{verb} {path}");
        if verb != Method::HEAD {
            problem(&answer, 405, "METHOD_NOT_ALLOWED");
        }
    }
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/contacts/",
        "/api/v2/contacts",
        "/api/v1/contacts/x/y/z",
        "/api/v1/contacts/x:fly",
    ] {
        problem(&stage.anonymous.get(path).await, 404, "ROUTE_NOT_FOUND");
    }
}
