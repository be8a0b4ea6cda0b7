//! Authorities and certificates made for a test, as files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

/// An authority whose word others can be told to take.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
    /// Seconds since 1970.
    pub ends: i64,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses, good for both sides for a day.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_until(names, OffsetDateTime::now_utc() + time::Duration::days(1))
    }

    /// One that ends at this time, to the second.
    pub fn issue_until(&self, names: &[&str], ends: OffsetDateTime) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(1);
        params.not_after = ends;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Pair { certificate: certificate.pem(), key: key.serialize_pem(), ends: ends.unix_timestamp() }
    }
}

/// A directory of its own, which ends with the test.
pub struct Files(PathBuf);

impl Files {
    pub fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("globcrm-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path as a setting has it.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a path").to_owned()
    }

    /// Exchanges a file in one step, as an operator should.
    pub fn put(&self, name: &str, text: &str) {
        let aside = self.path(&format!("{name}.new"));
        std::fs::write(&aside, text).expect("written");
        std::fs::rename(&aside, self.path(name)).expect("exchanged");
    }

    /// A pair as `tls.crt` and `tls.key`. Between the two the pair does not fit.
    pub fn put_pair(&self, pair: &Pair) {
        self.put("tls.crt", &pair.certificate);
        self.put("tls.key", &pair.key);
    }

    /// What others are trusted by, as `ca.crt`.
    pub fn put_authorities(&self, authorities: &[&Authority]) {
        self.put("ca.crt", &authorities.iter().map(|authority| authority.pem()).collect::<String>());
    }

    /// The variables by which a fleet uses `tls.crt`, `tls.key` and `ca.crt`.
    pub fn fleet_variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GLOBCRM_FLEET_TLS_CERT_FILE", self.text("tls.crt")),
            ("GLOBCRM_FLEET_TLS_KEY_FILE", self.text("tls.key")),
            ("GLOBCRM_FLEET_TLS_CA_FILE", self.text("ca.crt")),
        ]
    }
}

impl AsRef<Path> for Files {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
