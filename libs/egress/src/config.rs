//! What an operator says about calls to addresses that customers choose.

use std::path::PathBuf;

use config::{FilePath, Reader, Section};
use schemars::JsonSchema;
use serde::Deserialize;
use tls::RootCertStore;

use crate::{AddressPolicy, NetworksUnfit, Policy};

/// Where Debian, and so the image, has the certificates of public authorities.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const CA_FILE: &str = "CA_FILE";

/// What may be called, and whose certificates count.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// What URLs and addresses must be like.
    pub policy: Policy,
    /// What certificates of servers must go back to.
    pub authorities: RootCertStore,
}

#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Networks that URLs of customers may lead to although they are private, separated by commas, like 10.20.0.0/16. Link-local addresses and
    /// those of metadata cannot be allowed.
    #[schemars(with = "Option<String>", extend("errorMessage" = NetworksUnfit.to_string()))]
    allowed_networks: Option<AddressPolicy>,
    /// Whether URLs of customers may be http://, which anybody on the way can read.
    #[serde(default)]
    allow_http: bool,
    /// Certificates (PEM) that those of customers' servers must go back to (default: the system's, /etc/ssl/certs/ca-certificates.crt).
    #[schemars(with = "Option<FilePath>")]
    ca_file: Option<PathBuf>,
}

impl Section for EgressConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let Settings { allowed_networks, allow_http, ca_file } = r.group()?;
        let file = ca_file.unwrap_or_else(|| PathBuf::from(SYSTEM_CERTIFICATES));
        match tls::roots(&file) {
            Ok(authorities) => {
                let addresses = allowed_networks.unwrap_or_default();
                Some(Self { policy: Policy { allow_http, addresses }, authorities })
            }
            // Behind the name of the variable, which a default has not got.
            Err(error) => {
                r.refuse(CA_FILE, format!("{error} ({})", file.display()));
                None
            }
        }
    }
}
