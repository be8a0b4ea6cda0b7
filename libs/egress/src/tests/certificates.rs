//! Certificates of servers: those that go back to a known authority, are valid and are for the host.

use std::sync::Arc;

use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use super::{ALLOWED, PATIENT, Scripted, policy, request, server};
use crate::{Attempt, Client, EgressConfig, Failure, Target, TlsFailure};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What speaks TLS by a certificate for this name.
    fn acceptor(&self, name: &str, is_over: bool) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if is_over {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Calls `https://host` of a server with this certificate, trusting this authority alone.
async fn called(host: &str, acceptor: TlsAcceptor, trusted: &Authority) -> Attempt {
    let at = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // Who refuses the certificate is told by the other side.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut byte = [0];
            drop(stream.read(&mut byte).await);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
            drop(stream.flush().await);
            // Until the other side has read it, and is gone.
            drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
        }
    })
    .await;
    let mut authorities = RootCertStore::empty();
    authorities.add(trusted.0.der().clone()).unwrap();
    let config = EgressConfig { policy: policy(), authorities };
    let client = Client::new(config, PATIENT, Scripted::new(&[&[ALLOWED]])).unwrap();
    let target = Target::read(&format!("https://{host}:{}/", at.port()), &policy()).unwrap();
    client.call(&target, &request()).await
}

#[tokio::test]
async fn a_server_with_a_certificate_for_its_name_or_address_is_called() {
    let authority = Authority::new("ours");
    for host in ["hooks.example", "127.0.0.2"] {
        let attempt = called(host, authority.acceptor(host, false), &authority).await;
        assert_eq!(attempt.status(), Ok(StatusCode::OK), "{host}");
        assert!(attempt.timings.tls.is_some());
        assert_eq!(&attempt.answer.unwrap().body[..], b"ok");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_authority_or_time_is_refused_for_what_it_is() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let host = "hooks.example";
    for (acceptor, failure) in [
        (ours.acceptor("other.example", false), TlsFailure::WrongName),
        (ours.acceptor(host, true), TlsFailure::Expired),
        (theirs.acceptor(host, false), TlsFailure::UnknownIssuer),
    ] {
        let attempt = called(host, acceptor, &ours).await;
        assert_eq!((attempt.failure, attempt.answer), (Some(Failure::Tls(failure)), None));
    }
}
