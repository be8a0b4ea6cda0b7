//! What the settings take and refuse.

use config::{Env, Kind, describe, load};
use rcgen::{CertificateParams, KeyPair};

use crate::EgressConfig;

/// A file with a certificate, which ends with the test.
struct CaFile(std::path::PathBuf);

impl CaFile {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("globcrm-egress-{}-{name}", std::process::id()));
        let params = CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        std::fs::write(&path, certificate.pem()).unwrap();
        Self(path)
    }

    fn read(&self, given: &[(&str, &str)]) -> Result<EgressConfig, String> {
        let file = ("GLOBCRM_RECORDS_CA_FILE", self.0.to_str().unwrap());
        let env: Env = [file].into_iter().chain(given.iter().copied()).collect();
        load(&env, "RECORDS").map_err(|problems| problems.to_string())
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn nothing_internal_and_no_plain_http_is_the_default() {
    let file = CaFile::new("default");
    let config = file.read(&[]).unwrap();
    assert!(!config.policy.allow_http);
    assert!(!config.policy.addresses.permits("10.0.0.1".parse().unwrap()));
    assert_eq!(config.authorities.len(), 1);
    let given = [
        ("GLOBCRM_RECORDS_ALLOWED_NETWORKS", "10.0.0.0/8, fd12::/32"),
        ("GLOBCRM_RECORDS_ALLOW_HTTP", "true"),
    ];
    let config = file.read(&given).unwrap();
    assert!(config.policy.allow_http && config.policy.addresses.permits("10.0.0.1".parse().unwrap()));
    assert!(!config.policy.addresses.permits("192.168.0.1".parse().unwrap()));
}

#[test]
fn what_does_not_fit_is_refused_by_its_variable() {
    let file = CaFile::new("wrong");
    let networks = "GLOBCRM_RECORDS_ALLOWED_NETWORKS";
    for wrong in ["10.0.0.1/8", "169.254.169.254/32", "everything"] {
        let said = file.read(&[(networks, wrong)]).unwrap_err();
        assert!(said.contains(&format!("{networks} must be at most 64 networks like")), "{said}");
    }
    let said = file.read(&[("GLOBCRM_RECORDS_CA_FILE", "/nowhere")]).unwrap_err();
    assert!(said.contains("GLOBCRM_RECORDS_CA_FILE names a file that cannot be read"), "{said}");
    let kinds: Vec<(&str, Kind)> =
        describe::<EgressConfig>("RECORDS").iter().map(|setting| (setting.name, setting.kind)).collect();
    let expected = [("ALLOWED_NETWORKS", Kind::Text), ("ALLOW_HTTP", Kind::Bool), ("CA_FILE", Kind::Path)];
    assert_eq!(kinds, expected);
}
