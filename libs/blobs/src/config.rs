//! Where files are kept: a directory, or a bucket of an S3-compatible store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{FilePath, Hot, Reader, Seconds, Secret, SecretString, Section, checked, default};
use http::Uri;
use http::uri::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

const BUCKET: &str = "must be the name of a bucket: 3 to 63 of a-z, 0-9, `-` and `.`";
const REGION: &str = "must be the name of a region, like eu-central-1";
const ENDPOINT: &str = "must be a URL of a server alone, like https://s3.example:9000";

/// Where files are kept.
#[derive(Clone, Debug)]
pub enum BlobConfig {
    /// In a directory.
    Directory(PathBuf),
    /// In a bucket.
    Bucket(S3Config),
}

/// A bucket, and the way to it.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// `https://host:port`; Amazon's of the region when there is none.
    pub endpoint: Option<String>,
    /// Its region, which is part of every signature.
    pub region: String,
    /// The bucket is part of the host's name and not of the path.
    pub virtual_hosted: bool,
    /// The endpoint may be `http://`.
    pub allow_http: bool,
    /// Certificates (PEM) that the server's must go back to, for `https://`.
    pub ca_file: PathBuf,
    /// How long a request may take until its answer begins, and each wait for more of the answer.
    pub timeout: Duration,
    /// What requests are signed with.
    pub keys: Hot<Keys>,
}

/// What requests to a bucket are signed with.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
pub struct Keys {
    /// Id of the access key for S3_BUCKET.
    #[serde(rename = "s3_access_key_id")]
    #[schemars(with = "Option<Secret>")]
    pub id: Option<SecretString>,
    /// Secret of the access key for S3_BUCKET.
    #[serde(rename = "s3_secret_access_key")]
    #[schemars(with = "Option<Secret>")]
    pub secret: Option<SecretString>,
}

impl Section for Keys {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let keys: Self = r.group()?;
        match (&keys.id, &keys.secret) {
            (Some(_), None) => {
                r.refuse("S3_SECRET_ACCESS_KEY", "is missing, as S3_ACCESS_KEY_ID is given");
                None
            }
            (None, Some(_)) => {
                r.refuse("S3_ACCESS_KEY_ID", "is missing, as S3_SECRET_ACCESS_KEY is given");
                None
            }
            _ => Some(keys),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Places {
    /// Directory of uploaded bytes, which all instances share. Either this or S3_BUCKET must be given.
    #[schemars(with = "Option<FilePath>")]
    blob_dir: Option<PathBuf>,
    /// Bucket of uploaded bytes in Amazon S3 or another store that speaks its protocol, instead of BLOB_DIR.
    #[serde(default, deserialize_with = "bucket")]
    #[schemars(extend("errorMessage" = BUCKET))]
    s3_bucket: Option<String>,
    /// URL of the server that has the bucket, like https://s3.example:9000 (default: Amazon's of the region).
    #[serde(default, deserialize_with = "endpoint")]
    #[schemars(extend("errorMessage" = ENDPOINT))]
    s3_endpoint: Option<String>,
    /// Region of the bucket. Stores without regions take any.
    #[serde(default = "region", deserialize_with = "region_name")]
    #[schemars(extend("errorMessage" = REGION))]
    s3_region: String,
    /// Whether the bucket is part of the server's name, https://bucket.s3.example, and not of the path.
    #[serde(default)]
    s3_virtual_hosted: bool,
    /// Whether S3_ENDPOINT may be http://, which anybody on the way can read.
    #[serde(default)]
    s3_allow_http: bool,
    /// Certificates (PEM) that the server's must go back to (default: the system's,
    /// /etc/ssl/certs/ca-certificates.crt).
    #[schemars(with = "Option<FilePath>")]
    s3_ca_file: Option<PathBuf>,
    /// How long a request to the bucket may take until its answer begins, and each wait for more of the answer. What failed for a moment is
    /// tried again for as long.
    #[serde(default = "default::seconds::<20>")]
    #[schemars(range(min = 1, max = 300))]
    s3_timeout: Seconds,
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn is_name(text: &str, marks: &[char]) -> bool {
    let is_end = |end: Option<char>| end.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(&c))
}

fn bucket<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let fits =
        |name: &str| (3..=63).contains(&name.len()) && !name.contains("..") && is_name(name, &['-', '.']);
    checked(d, |name: &Option<String>| name.as_deref().is_none_or(fits))
}

fn region_name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    checked(d, |name: &String| name.len() <= 63 && is_name(name, &['-']))
}

fn endpoint<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    checked(d, |url: &Option<String>| url.as_deref().is_none_or(|url| server(url).is_some()))
}

/// The URL of a server alone: no user, no path.
fn server(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_http = [&Scheme::HTTP, &Scheme::HTTPS].into_iter().any(|scheme| uri.scheme() == Some(scheme));
    let is_server = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    (is_http && is_server && uri.path() == "/" && uri.query().is_none()).then_some(uri)
}

impl Section for BlobConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (places, keys): (Option<Places>, Option<Hot<Keys>>) = (r.group(), r.hot_secrets());
        let (places, keys) = (places?, keys?);
        let has_keys = keys.get().id.is_some();
        match (places.blob_dir, places.s3_bucket) {
            (None, None) => {
                refuse(r, "BLOB_DIR", "is missing, and S3_BUCKET is, too: files need one of them")
            }
            (Some(_), Some(_)) => refuse(r, "S3_BUCKET", "and BLOB_DIR exclude each other: give one of them"),
            (Some(directory), None) => {
                let idle = [
                    ("S3_ENDPOINT", places.s3_endpoint.is_some()),
                    ("S3_CA_FILE", places.s3_ca_file.is_some()),
                    ("S3_ACCESS_KEY_ID", has_keys),
                ];
                match idle.into_iter().find(|(_, is_given)| *is_given) {
                    Some((name, _)) => refuse(r, name, "has no effect without S3_BUCKET"),
                    None => Some(Self::Directory(directory)),
                }
            }
            (None, Some(_)) if !has_keys => {
                refuse(r, "S3_ACCESS_KEY_ID", "is missing, and S3_BUCKET needs it")
            }
            (None, Some(bucket)) => {
                let is_plain = places.s3_endpoint.as_deref().is_some_and(|url| !url.starts_with("https:"));
                match (is_plain, places.s3_allow_http, &places.s3_ca_file) {
                    (true, false, _) => {
                        let text = "is http://, which anybody on the way can read: take https://, or set S3_ALLOW_HTTP to true";
                        return refuse(r, "S3_ENDPOINT", text);
                    }
                    (true, true, Some(_)) => {
                        return refuse(r, "S3_CA_FILE", "has no effect without https://");
                    }
                    _ => {}
                }
                let ca_file = places.s3_ca_file.unwrap_or_else(|| PathBuf::from(tls::SYSTEM_CERTIFICATES));
                if !is_plain && !is_trust(&ca_file) {
                    let text = format!(
                        "must name a file with certificates (PEM); there are none in {}",
                        ca_file.display()
                    );
                    return refuse(r, "S3_CA_FILE", &text);
                }
                Some(Self::Bucket(S3Config {
                    bucket,
                    endpoint: places.s3_endpoint.map(|url| url.trim_end_matches('/').to_owned()),
                    region: places.s3_region,
                    virtual_hosted: places.s3_virtual_hosted,
                    allow_http: places.s3_allow_http,
                    ca_file,
                    timeout: places.s3_timeout.0,
                    keys,
                }))
            }
        }
    }
}

fn is_trust(file: &Path) -> bool {
    tls::roots(file).is_ok()
}

fn refuse(r: &mut Reader<'_>, name: &str, text: &str) -> Option<BlobConfig> {
    r.refuse(name, text);
    None
}

#[cfg(test)]
mod tests;
