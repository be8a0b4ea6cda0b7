//! Who may not come in, on either side: it is refused at once, and both sides say why.

use ::tls::{FleetTls, HandshakeError, ServerName};
use config::Hot;
use fleet::Role;
use proto::identity::v1::GetJwksRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use super::{BOUND, HERE, fleet_tls, in_time, log, stage};
use crate::certificates::{Authority, Files};
use crate::stage::Stage;
use crate::waiting;

/// What came of a connection to a service.
#[derive(Debug)]
pub(super) enum Meeting {
    /// It is served.
    Served,
    /// One of the two sides refused the other; why, as this side sees it.
    Refused(String),
}

/// A handshake as a service that calls does it.
pub(super) async fn meet(tls: &Hot<FleetTls>, name: &str, port: u16) -> Meeting {
    let connector = FleetTls::connector(tls).expect("TLS");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TcpStream::connect((HERE, port)).await.expect("a connection");
    match in_time("a handshake", connector.connect(stream, name)).await {
        Ok(_) => Meeting::Served,
        Err(HandshakeError::Failed(why)) => Meeting::Refused(why.to_string()),
        Err(other) => Meeting::Refused(other.to_string()),
    }
}

/// What a call gets that goes by such a connection, and how soon.
async fn call(tls: &Hot<FleetTls>, url: &str) -> Result<(), tonic::Status> {
    let channel = rpc::connect_by(url, "identity", FleetTls::connector(tls)).expect("a channel");
    let mut identity = IdentityServiceClient::new(channel);
    match in_time("an answer", identity.get_jwks(GetJwksRequest::default())).await {
        // Whatever the service says, it has been reached.
        Err(refused) if refused.code() == Code::Unavailable => Err(refused),
        _ => Ok(()),
    }
}

/// What it writes to the port, and whether anything but the end of the connection came of it.
async fn is_answered(port: u16, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect((HERE, port)).await.expect("a connection");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    // Reset, or closed after an alert of TLS (first byte 21).
    match in_time("the end of the connection", stream.read_to_end(&mut answer)).await {
        Ok(_) => !matches!(answer.first(), None | Some(21)),
        Err(_) => false,
    }
}

async fn until_told(stage: &Stage, why: &str) {
    waiting::until(BOUND, &format!("identity's log says {why}"), async || {
        log(stage, Role::Identity).contains(why)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_certificate_of_the_fleet_is_refused_and_both_sides_say_why() {
    let ours = Authority::new("ours");
    let files = Files::new("strangers");
    files.put_pair(&ours.issue(&[HERE]));
    files.put_authorities(&[&ours]);
    let mut variables = files.fleet_variables();
    // Each refusal is a line, of which one is written in ten seconds; all are there with debug.
    variables.push(("GLOBCRM_FLEET_LOG", "info,globcrm_host::connections=debug".to_owned()));
    let stage = stage(variables).await;
    let port = stage.ports.grpc[&Role::Identity];
    let (right, wrong) = (format!("https://{HERE}:{port}"), format!("https://localhost:{port}"));

    // One of ours is served; by another name of the server it does not want to be.
    let own = fleet_tls(&files);
    assert!(matches!(meet(&own, HERE, port).await, Meeting::Served));
    call(&own, &right).await.expect("an answer");
    let Meeting::Refused(why) = meet(&own, "localhost", port).await else { panic!("any name is taken") };
    assert!(why.contains("not valid for name"), "{why}");
    assert_eq!(call(&own, &wrong).await.expect_err("no answer").code(), Code::Unavailable);

    // Another authority's, which trusts ours: it takes the server's certificate, and the server refuses its own.
    let theirs = Authority::new("theirs");
    let strange = Files::new("strange");
    strange.put_pair(&theirs.issue(&[HERE]));
    strange.put_authorities(&[&ours, &theirs]);
    let stranger = fleet_tls(&strange);
    let Meeting::Refused(why) = meet(&stranger, HERE, port).await else { panic!("a stranger is served") };
    assert!(why.contains("UnknownCA"), "{why}");
    let refused = call(&stranger, &right).await.expect_err("no answer");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    until_told(&stage, "UnknownIssuer").await;

    // One that does not trust ours goes by itself.
    strange.put_authorities(&[&theirs]);
    let Meeting::Refused(why) = meet(&fleet_tls(&strange), HERE, port).await else { panic!("it is served") };
    assert!(why.contains("UnknownIssuer"), "{why}");

    // One of ours that has ended: good when its process began.
    let ended = Files::new("ended");
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(3);
    ended.put_pair(&ours.issue_until(&[HERE], soon));
    ended.put_authorities(&[&ours]);
    let late = fleet_tls(&ended);
    waiting::until(BOUND, "the certificate ends", async || {
        time::OffsetDateTime::now_utc() > soon + time::Duration::seconds(1)
    })
    .await;
    let Meeting::Refused(why) = meet(&late, HERE, port).await else { panic!("one that has ended is served") };
    assert!(why.contains("CertificateExpired"), "{why}");
    assert_eq!(call(&late, &right).await.expect_err("no answer").code(), Code::Unavailable);
    until_told(&stage, "certificate expired").await;

    // No certificate, no TLS, nonsense.
    assert!(!is_answered(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await);
    assert!(!is_answered(port, &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).await);
    let without = super::public::client_config(&ours, &[b"h2"], false);
    let connector = tokio_rustls::TlsConnector::from(without);
    let stream = TcpStream::connect((HERE, port)).await.expect("a connection");
    let name = ServerName::try_from(HERE).expect("a name");
    let refused = match in_time("a handshake", connector.connect(name, stream)).await {
        Err(error) => error,
        Ok(mut stream) => {
            let read = in_time("a refusal", stream.read(&mut [0])).await;
            read.expect_err("somebody without a certificate is served")
        }
    };
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    until_told(&stage, "peer sent no certificates").await;
    // And ours are served as before, and the log says what a caller needs.
    call(&own, &right).await.expect("an answer");
    assert!(log(&stage, Role::Identity).contains("callers need a certificate that TLS_CA_FILE accepts"));
}
