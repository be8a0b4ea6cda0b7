//! Which URLs are taken, in all the ways that an address can be written.

use crate::UrlRefusal::{Address, Fragment, Host, NotAUrl, NotHttp, NotHttps, Port, TooLong, UserInfo};
use crate::{MOST_URL_BYTES, Policy, REFUSED_ADDRESS, Request, Target, UrlRefusal};

fn refused(url: &str, policy: &Policy) -> Option<UrlRefusal> {
    Target::read(url, policy).err()
}

#[test]
fn public_urls_are_taken() {
    for url in [
        "https://example.com",
        "https://example.com/hook?x=1&y=%20|^`[]'",
        "HTTPS://EXAMPLE.com:443/",
        "https://example.com:8443/",
        "https://example.com:12345/",
        "https://bücher.example/größe",
        "https://my_host.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://xn--bcher-kva.example/",
    ] {
        assert_eq!(refused(url, &Policy::default()), None, "{url}");
    }
}

#[test]
fn every_way_to_write_a_forbidden_address_is_refused_in_the_same_words() {
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "2130706433",
        "%31%32%37.0.0.1",
        "%31%32%37%2e%30%2e%30%2e%31",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let refusal = refused(&format!("https://{host}/"), &Policy::default());
        assert_eq!(refusal, Some(Address), "{host}");
    }
    assert_eq!(Address.to_string(), REFUSED_ADDRESS);
}

#[test]
fn what_is_not_a_plain_https_url_is_refused_for_what_it_is() {
    let strict = Policy::default();
    let with_http = Policy { allow_http: true, ..Policy::default() };
    let long = format!("https://example.com/{}", "a".repeat(MOST_URL_BYTES));
    for (url, refusal) in [
        ("http://example.com/", NotHttps),
        ("ftp://example.com/", NotHttps),
        ("file:///etc/passwd", NotHttps),
        ("gopher://example.com/", NotHttps),
        ("javascript:alert(1)", NotHttps),
        ("example.com/hook", NotAUrl),
        ("//example.com/hook", NotAUrl),
        ("", NotAUrl),
        ("https://", NotAUrl),
        ("https://exa mple.com/", NotAUrl),
        (" https://example.com/", NotAUrl),
        ("https://exam\tple.com/", NotAUrl),
        ("https://example.com/\n", NotAUrl),
        ("https:\\\\example.com/", NotAUrl),
        ("https://example.com\\@127.0.0.1/", NotAUrl),
        ("https://[::1%25lo]/", NotAUrl),
        ("https://256.0.0.1/", NotAUrl),
        ("https://1.2.3.4.5/", NotAUrl),
        ("https://user@example.com/", UserInfo),
        ("https://:secret@example.com/", UserInfo),
        ("https://8.8.8.8@127.0.0.1/", UserInfo),
        ("https://example.com/#top", Fragment),
        ("https://127.0.0.1#@example.com/", Fragment),
        ("https://example.com./", Host),
        ("https://example..com/", Host),
        ("https://-example.com/", Host),
        ("https://example.com:22/", Port),
        ("https://example.com:80/", Port),
        ("https://example.com:1023/", Port),
        ("https://example.com:5432/", Port),
        ("https://example.com:6379/", Port),
        ("https://example.com:10250/", Port),
        ("https://example.com:0/", Port),
        (long.as_str(), TooLong),
    ] {
        assert_eq!(refused(url, &strict), Some(refusal), "{url}");
    }
    assert_eq!(refused("ftp://example.com/", &with_http), Some(NotHttp));
    assert_eq!(refused("http://example.com/", &with_http), None);
    assert_eq!(refused("http://10.0.0.1/", &with_http), Some(Address));
}

#[test]
fn a_label_and_a_name_have_an_end() {
    let label = "a".repeat(63);
    let name = |labels: usize, rest: &str| format!("https://{}{rest}/", format!("{label}.").repeat(labels));
    assert_eq!(refused(&name(3, &"b".repeat(61)), &Policy::default()), None);
    for url in [name(3, &"b".repeat(62)), name(1, &"b".repeat(64))] {
        assert!(matches!(refused(&url, &Policy::default()), Some(Host | NotAUrl)), "{url}");
    }
}

#[test]
fn headers_that_frame_a_message_are_not_taken() {
    for name in
        ["Host", "content-length", "Transfer-Encoding", "connection", "TE", "expect", "accept-encoding"]
    {
        let name: http::HeaderName = name.parse().unwrap();
        let headers = [(name.clone(), http::HeaderValue::from_static("x"))].into_iter().collect();
        assert_eq!(Request::get(headers).unwrap_err().0, name);
    }
    let headers = [(http::header::AUTHORIZATION, http::HeaderValue::from_static("x"))].into_iter().collect();
    Request::get(headers).unwrap();
}

#[test]
fn what_shows_of_a_request_and_its_target_is_no_secret() {
    let target = Target::read("https://example.com/T0/s3cret?key=s3cret", &Policy::default()).unwrap();
    let headers =
        [(http::header::AUTHORIZATION, http::HeaderValue::from_static("s3cret"))].into_iter().collect();
    let request = Request::post(headers, bytes::Bytes::from_static(b"s3cret")).unwrap();
    let shown = format!("{target:?} {request:?}");
    assert!(shown.contains("example.com") && shown.contains("POST"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
