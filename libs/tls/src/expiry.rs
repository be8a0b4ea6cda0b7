//! When certificates end, so that somebody is told before.

use opentelemetry::KeyValue;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// When the first certificate of a chain ends, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expires(pub u64);

impl Expires {
    /// Of a chain; `None` where a certificate cannot be read.
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let ends = |certificate: &CertificateDer<'_>| {
            let certificate = Certificate::from_der(certificate).ok()?;
            Some(certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
        };
        chain.iter().map(ends).collect::<Option<Vec<_>>>()?.into_iter().min().map(Self)
    }
}

/// Shows as a metric when the certificate ends that `now` says is in force.
pub(crate) fn show(
    service: &'static str,
    used_for: &'static str,
    now: impl Fn() -> Option<Expires> + Send + Sync + 'static,
) {
    opentelemetry::global::meter("globcrm.tls")
        .u64_observable_gauge("globcrm.tls.certificate.expiry")
        .with_unit("s")
        .with_description("When the certificate in force ends, in seconds since 1970")
        .with_callback(move |gauge| {
            if let Some(Expires(at)) = now() {
                gauge.observe(at, &[KeyValue::new("service", service), KeyValue::new("use", used_for)]);
            }
        })
        .build();
}
