//! The public port by TLS.

use std::sync::Arc;
use std::time::Instant;

use ::tls::ServerName;
use fleet::Role;
use testkit::Workspace;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{BOUND, HERE, in_time, log, stage, until_in_force};
use crate::api::metrics::{scrape, sum};
use crate::certificates::{Authority, Files};
use crate::stage::{Stage, program};
use crate::waiting;

/// What a client of the world has: it trusts an authority, and shows nothing.
pub(super) fn client_config(authority: &Authority, protocols: &[&[u8]], old: bool) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    roots.add(certificate).expect("a root");
    let versions = if old { [&TLS12] } else { [&TLS13] };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

async fn connect(
    stage: &Stage,
    authority: &Authority,
    protocols: &[&[u8]],
    old: bool,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect((HERE, stage.ports.public)).await?;
    let name = ServerName::try_from("api.example").expect("a name");
    let connector = TlsConnector::from(client_config(authority, protocols, old));
    in_time("a handshake", connector.connect(name, stream)).await
}

/// The head of the answer to a request over HTTP/1.1.
async fn get(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /api/v1/me HTTP/1.1\r\nhost: api.example\r\n\r\n").await.expect("sent");
    let mut buffer = vec![0; 4096];
    let read = in_time("an answer", stream.read(&mut buffer)).await.expect("an answer");
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_public_port_speaks_tls_and_nothing_else_and_its_certificate_is_exchanged() {
    let authority = Authority::new("public");
    let files = Files::new("public");
    let first = authority.issue(&["api.example", HERE]);
    files.put_pair(&first);
    let stage = stage(vec![
        ("GLOBCRM_GATEWAY_PUBLIC_TLS_CERT_FILE", files.text("tls.crt")),
        ("GLOBCRM_GATEWAY_PUBLIC_TLS_KEY_FILE", files.text("tls.key")),
        ("GLOBCRM_GATEWAY_MAX_CONNECTIONS", "40".to_owned()),
        ("GLOBCRM_GATEWAY_MAX_CONNECTIONS_NETWORK", "20".to_owned()),
    ])
    .await;
    until_in_force(&stage, &[Role::Gateway], "public", first.ends).await;

    // Both versions of TLS, both of HTTP, chosen by ALPN; and a client that does not choose.
    for old in [false, true] {
        let mut plain = connect(&stage, &authority, &[b"http/1.1"], old).await.expect("TLS");
        assert_eq!(plain.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(get(&mut plain).await.starts_with("HTTP/1.1 401"));
        let mut without = connect(&stage, &authority, &[], old).await.expect("TLS");
        assert!(get(&mut without).await.starts_with("HTTP/1.1 401"));
        let two = connect(&stage, &authority, &[b"h2", b"http/1.1"], old).await.expect("TLS");
        assert_eq!(two.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (send, connection) = h2::client::handshake(two).await.expect("HTTP/2");
        let driven = tokio::spawn(connection);
        let request = http::Request::get("https://api.example/api/v1/me").body(()).expect("a request");
        let answer = send.ready().await.expect("ready").send_request(request, true).expect("sent").0;
        assert_eq!(in_time("an answer", answer).await.expect("an answer").status(), 401);
        driven.abort();
    }
    // For another name it is not.
    let stream = TcpStream::connect((HERE, stage.ports.public)).await.expect("a connection");
    let connector = TlsConnector::from(client_config(&authority, &[], false));
    let other = ServerName::try_from("other.example").expect("a name");
    assert!(connector.connect(other, stream).await.is_err());

    tried_by_smoke(&stage, &authority, &files).await;
    refused_without_harm(&stage, &authority).await;
    networks_have_their_shares(&stage, &authority).await;
    exchanged(&stage, &authority, &files).await;
}

/// `globcrm smoke` trusts who is in its file, and nobody else.
async fn tried_by_smoke(stage: &Stage, authority: &Authority, files: &Files) {
    files.put_authorities(&[authority]);
    files.put("others.crt", &Authority::new("another").pem());
    let program = program(&Workspace::here().expect("a workspace"));
    let smoke = async |ca_file: &str| {
        let mut command = tokio::process::Command::new(&program);
        let url = format!("https://{HERE}:{}", stage.ports.public);
        command.args(["smoke", &url, "--ca-file", &files.text(ca_file)]).kill_on_drop(true);
        in_time("smoke", command.output()).await.expect("it ran")
    };
    let good = smoke("ca.crt").await;
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    for (file, told) in [("others.crt", "certificate"), ("tls.key", "without a certificate")] {
        let refused = smoke(file).await;
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(told), "{file}: {text}");
    }
}

/// Plain HTTP, nonsense, and a client that says nothing: each is closed, and none is answered.
async fn refused_without_harm(stage: &Stage, authority: &Authority) {
    let began = Instant::now();
    let mut silent = TcpStream::connect((HERE, stage.ports.public)).await.expect("a connection");
    for bytes in [
        b"GET /api/v1/me HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0x16; 300],
        vec![0; 300],
    ] {
        let mut stream = TcpStream::connect((HERE, stage.ports.public)).await.expect("a connection");
        stream.write_all(&bytes).await.expect("written");
        let mut answer = Vec::new();
        // Bytes that nobody read make the end a reset.
        if in_time("the end", stream.read_to_end(&mut answer)).await.is_ok() {
            assert!(matches!(answer.first(), None | Some(21)), "{answer:?}");
        }
    }
    let mut stream = connect(stage, authority, &[], false).await.expect("TLS");
    assert!(get(&mut stream).await.starts_with("HTTP/1.1 401"));
    let mut rest = Vec::new();
    in_time("the deadline of the handshake", silent.read_to_end(&mut rest)).await.expect("an end");
    assert!(rest.is_empty() && began.elapsed().as_secs() >= 9, "{:?}", began.elapsed());
    waiting::until(BOUND, "they are counted", async || {
        let samples = scrape(stage, Role::Gateway).await;
        sum(&samples, "globcrm_tls_handshakes_failed", &[r#"port="public""#]) >= 5.0
    })
    .await;
}

/// Connections count before their handshakes do, and by network.
async fn networks_have_their_shares(stage: &Stage, authority: &Authority) {
    let mut held = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 2], 0).into()).expect("bound");
        // They say nothing, and wait for the deadline of their handshake.
        held.push(socket.connect(([127, 0, 0, 1], stage.ports.public).into()).await.expect("a connection"));
    }
    // Those beyond the share are closed at once.
    let mut closed = 0;
    for stream in &mut held {
        let ended = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read(&mut [0])).await;
        closed += usize::from(ended.is_ok());
    }
    assert!((20..40).contains(&closed), "{closed} of 40 are closed");
    // And another network is served.
    let mut stream = connect(stage, authority, &[], false).await.expect("TLS");
    assert!(get(&mut stream).await.starts_with("HTTP/1.1 401"));
}

/// A pair that does not fit changes nothing; one that does is what the next client sees, and an open connection goes on.
async fn exchanged(stage: &Stage, authority: &Authority, files: &Files) {
    let serial = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec()).expect("a certificate")
    };
    let mut open = connect(stage, authority, &[], false).await.expect("TLS");
    let before = serial(&open);
    let second =
        authority.issue_until(&["api.example"], time::OffsetDateTime::now_utc() + time::Duration::days(3));
    files.put("tls.crt", &second.certificate);
    let success = async || sum(&scrape(stage, Role::Gateway).await, "globcrm_config_reload_success", &[]);
    waiting::until(BOUND, "half a pair is refused", async || success().await == 0.0).await;
    let told = log(stage, Role::Gateway);
    assert!(told.contains("GLOBCRM_GATEWAY_PUBLIC_TLS_KEY_FILE has a key that cannot be used"), "{told}");
    assert_eq!(serial(&connect(stage, authority, &[], false).await.expect("TLS")), before);

    // Cut off in the middle.
    files.put("tls.key", &second.key[..second.key.len() / 2]);
    waiting::until(BOUND, "half a file is refused", async || {
        log(stage, Role::Gateway).contains("PUBLIC_TLS_KEY_FILE names a file that is not whole PEM")
    })
    .await;
    assert_eq!(serial(&connect(stage, authority, &[], false).await.expect("TLS")), before);

    files.put("tls.key", &second.key);
    until_in_force(stage, &[Role::Gateway], "public", second.ends).await;
    assert_ne!(serial(&connect(stage, authority, &[], false).await.expect("TLS")), before);
    assert!(success().await > 0.0);
    assert!(get(&mut open).await.starts_with("HTTP/1.1 401"));
    assert!(!log(stage, Role::Gateway).contains("BEGIN"), "no key is in the log");
}
