//! AMQP over TLS: the real broker behind an end of TLS in this process, with certificates made for the test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use config::{ExposeSecret, SecretString};
use events::AmqpConfig;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::consuming::{delete_queues, started};
use super::world::{Ledger, Running, World, until};
use crate::certificates::{Authority, Files};

/// What has not come by then does not come.
const NEVER: Duration = Duration::from_secs(60);

/// Ends TLS for `broker` with a certificate for `localhost`; gives its port.
async fn end_of_tls(authority: &Authority, broker: String, running: &mut Running) -> Result<u16> {
    let pair = authority.issue(&["localhost"]);
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let shutdown = running.shutdown.clone();
    running.spawn(async move {
        while let Some(Ok((stream, _))) = shutdown.run_until_cancelled(listener.accept()).await {
            let (acceptor, broker) = (acceptor.clone(), broker.clone());
            drop(tokio::spawn(async move {
                // A client that does not trust the certificate ends the handshake.
                let mut inside = acceptor.accept(stream).await?;
                let mut outside = TcpStream::connect(broker).await?;
                tokio::io::copy_bidirectional(&mut inside, &mut outside).await
            }));
        }
    });
    Ok(port)
}

fn amqps(good: &AmqpConfig, credentials: &str, host: &str, port: u16, ca_file: &Path) -> AmqpConfig {
    let url = SecretString::from(format!("amqps://{credentials}@{host}:{port}/%2f"));
    AmqpConfig { ca_file: Some(ca_file.to_owned()), exchange: good.exchange.clone(), ..AmqpConfig::new(url) }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_by_tls_to_a_broker_with_the_right_certificate_and_to_no_other() -> Result<()> {
    const NAME: &str = "events_it.tls";
    let mut world = World::new("globcrm_events_tls").await?;
    let plain = world.amqp.clone();
    let rest = plain.url.expose_secret().strip_prefix("amqp://").context("a plain broker")?.to_owned();
    let (credentials, rest) = rest.rsplit_once('@').context("credentials")?;
    let broker = rest.split('/').next().context("an address")?.to_owned();
    let (ours, files) = (Authority::new("ours"), Files::new("broker"));
    files.put("ours", &ours.pem());
    files.put("other", &Authority::new("another").pem());
    let (ours_file, other_file) = (files.path("ours"), files.path("other"));
    let mut ends = Running::new();
    let port = end_of_tls(&ours, broker, &mut ends).await?;

    for (host, file, why) in
        [("localhost", &other_file, "UnknownIssuer"), ("127.0.0.1", &ours_file, "not valid for name")]
    {
        world.amqp = amqps(&plain, credentials, host, port, file);
        let mut running = Running::new();
        let status = world.relay(&mut running);
        until("the certificate is refused", async || {
            Ok(status.snapshot().trouble.is_some_and(|trouble| trouble.contains(why)))
        })
        .await?;
        assert!(!status.snapshot().connected);
        running.stop().await?;
    }

    world.amqp = amqps(&plain, credentials, "localhost", port, &ours_file);
    let running = started(&world, NAME, Ledger).await?;
    let sent = world.write_some(20).await?;
    world.await_applied(&sent.iter().collect::<Vec<_>>()).await?;
    running.stop().await?;
    ends.stop().await?;
    delete_queues(&world, NAME).await
}

/// lapin waits for a handshake on a thread of its own: it must end by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_the_connection_and_says_nothing_is_left() -> Result<()> {
    let mut world = World::new("globcrm_events_silent").await?;
    let files = Files::new("silent-broker");
    files.put("ours", &Authority::new("ours").pem());
    let file = files.path("ours");
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let port = silent.local_addr()?.port();
    world.amqp = amqps(&world.amqp, "guest:guest", "127.0.0.1", port, &file);
    let mut running = Running::new();
    world.relay(&mut running);
    let (mut stream, _) = silent.accept().await?;
    // It says hello, hears nothing, and goes.
    let mut hello = Vec::new();
    let heard = tokio::time::timeout(NEVER, stream.read_to_end(&mut hello));
    heard.await.context("the connection is still open")??;
    running.stop().await
}
