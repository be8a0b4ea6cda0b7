//! What the settings take and refuse. Handshakes are tried with real processes, in the suite `tls`.

use std::path::PathBuf;

use config::{Env, Problems, load};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use crate::{FleetTls, PublicTls, roots};

/// A directory with the files of an authority and its pairs, which ends with the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("globcrm-tls-unit-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let files = Self(directory);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        files.write("ca.crt", &authority.pem());
        let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
        for (name, usages) in [
            ("one", vec![server.clone(), client.clone()]),
            ("other", Vec::new()),
            ("server", vec![server]),
            ("client", vec![client]),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["records".to_owned()]).unwrap();
            params.extended_key_usages = usages;
            let certificate = params.signed_by(&key, &authority).unwrap();
            files.write(&format!("{name}.crt"), &certificate.pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        }
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn fleet(&self, files: &[(&str, &str)]) -> Result<FleetTls, Problems> {
        let named = |(name, file): &(&str, &str)| (format!("GLOBCRM_FLEET_TLS_{name}_FILE"), self.text(file));
        load(&files.iter().map(named).collect::<Env>(), "RECORDS")
    }

    fn public(&self, files: &[(&str, &str)]) -> Result<PublicTls, Problems> {
        let named = |(name, file): &(&str, &str)| {
            (format!("GLOBCRM_GATEWAY_PUBLIC_TLS_{name}_FILE"), self.text(file))
        };
        load(&files.iter().map(named).collect::<Env>(), "GATEWAY")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn whole_groups_are_taken_and_none_is_plain() {
    let files = Files::new("whole");
    let fleet = files.fleet(&[("CERT", "one.crt"), ("KEY", "one.key"), ("CA", "ca.crt")]).unwrap();
    let public = files.public(&[("CERT", "one.crt"), ("KEY", "one.key")]).unwrap();
    assert!(FleetTls::acceptor(&fleet.clone().into()).is_some());
    assert!(FleetTls::connector(&fleet.into()).is_some());
    assert!(PublicTls::acceptor(&public.into(), "gateway").is_some());
    let none = load::<FleetTls>(&Env::default(), "RECORDS").unwrap();
    assert!(FleetTls::acceptor(&none.clone().into()).is_none());
    assert!(FleetTls::connector(&none.into()).is_none());
}

#[test]
fn what_is_missing_or_does_not_fit_is_refused_by_its_variable() {
    let files = Files::new("wrong");
    let (whole, half) = (std::fs::read_to_string(files.0.join("one.key")).unwrap(), "half.key");
    files.write(half, &whole[..whole.len() / 2]);
    files.write("empty", "");
    let foreign = Files::new("wrong-foreign");
    files.write("foreign.crt", &std::fs::read_to_string(foreign.0.join("ca.crt")).unwrap());
    let fleet = |files_of: &[(&str, &str)]| files.fleet(files_of).map(drop).unwrap_err().to_string();
    for (given, told) in [
        (vec![("CERT", "one.crt")], "RECORDS_TLS_KEY_FILE is missing"),
        (vec![("CERT", "one.crt"), ("KEY", "one.key")], "RECORDS_TLS_CA_FILE is missing"),
        (vec![("CERT", "one.crt"), ("KEY", "other.key"), ("CA", "ca.crt")], "FLEET_TLS_KEY_FILE has a key"),
        (
            vec![("CERT", "one.crt"), ("KEY", half), ("CA", "ca.crt")],
            "FLEET_TLS_KEY_FILE names a file that is not",
        ),
        (
            vec![("CERT", "one.crt"), ("KEY", "one.crt"), ("CA", "ca.crt")],
            "FLEET_TLS_KEY_FILE names a file without",
        ),
        (
            vec![("CERT", "empty"), ("KEY", "one.key"), ("CA", "ca.crt")],
            "FLEET_TLS_CERT_FILE names a file without",
        ),
        (
            vec![("CERT", "none"), ("KEY", "one.key"), ("CA", "ca.crt")],
            "FLEET_TLS_CERT_FILE names a file that cannot",
        ),
        (
            vec![("CERT", "one.crt"), ("KEY", "one.key"), ("CA", "foreign.crt")],
            "FLEET_TLS_CERT_FILE has a certificate that no other service would take by TLS_CA_FILE",
        ),
        // Each is good for one side alone.
        (
            vec![("CERT", "server.crt"), ("KEY", "server.key"), ("CA", "ca.crt")],
            "by TLS_CA_FILE: invalid peer certificate: certificate does not allow extended key usage for client",
        ),
        (
            vec![("CERT", "client.crt"), ("KEY", "client.key"), ("CA", "ca.crt")],
            "by TLS_CA_FILE: invalid peer certificate: certificate does not allow extended key usage for server",
        ),
    ] {
        let problems = fleet(&given);
        assert!(problems.contains(told), "{given:?}: {problems}");
        assert!(!problems.contains("BEGIN"), "{problems}");
    }
    let public = files.public(&[("KEY", "one.key")]).map(drop).unwrap_err().to_string();
    assert!(public.contains("GATEWAY_PUBLIC_TLS_CERT_FILE is missing"), "{public}");
    let public =
        files.public(&[("CERT", "one.crt"), ("KEY", "other.key")]).map(drop).unwrap_err().to_string();
    assert!(public.contains("GATEWAY_PUBLIC_TLS_KEY_FILE has a key"), "{public}");
}

#[test]
fn plain_next_to_tls_needs_certificates() {
    let also_plain = ("GLOBCRM_FLEET_TLS_ALSO_PLAIN", "true");
    let alone = load::<FleetTls>(&[also_plain].into_iter().collect::<Env>(), "RECORDS");
    let problems = alone.map(drop).unwrap_err().to_string();
    assert!(problems.contains("GLOBCRM_FLEET_TLS_ALSO_PLAIN has no effect"), "{problems}");
}

#[test]
fn what_is_trusted_is_what_the_file_has() {
    let files = Files::new("roots");
    let both =
        ["ca.crt", "one.crt"].map(|name| std::fs::read_to_string(files.0.join(name)).unwrap()).concat();
    files.write("bundle", &both);
    assert_eq!(roots(&files.0.join("bundle")).unwrap().len(), 2);
    files.write("bundle", &both[..both.len() - 100]);
    roots(&files.0.join("bundle")).unwrap_err();
}
