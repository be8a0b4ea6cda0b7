//! The bucket of an S3-compatible store.

mod client;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use config::{ExposeSecret, Hot};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::{BackoffConfig, CredentialProvider, RetryConfig};

use crate::config::{Keys, S3Config};
use crate::error::StoreError;
use client::Connector;

/// After the first request; what answers in between is not asked again.
const RETRIES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The bucket. Nothing is asked of it yet.
pub(crate) fn bucket(config: &S3Config) -> Result<AmazonS3, StoreError> {
    let backoff = BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 };
    // No further try begins after this time, and each has a deadline of its own.
    let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: config.timeout };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(config.virtual_hosted)
        .with_allow_http(config.allow_http)
        .with_credentials(Arc::new(Signing(config.keys.clone())))
        .with_retry(retry)
        // Not every store has the call that deletes many.
        .with_disable_bulk_delete(true)
        .with_http_connector(Connector::new(config)?);
    if let Some(endpoint) = endpoint(config) {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(builder.build()?)
}

/// Where requests go, where that is not Amazon's: `object_store` adds the bucket to a path, and not to the name of a host.
fn endpoint(config: &S3Config) -> Option<String> {
    let endpoint = config.endpoint.as_deref()?;
    Some(match endpoint.split_once("://") {
        Some((scheme, server)) if config.virtual_hosted => format!("{scheme}://{}.{server}", config.bucket),
        _ => endpoint.to_owned(),
    })
}

/// The keys in force, so that they can be exchanged while the process runs.
#[derive(Debug)]
struct Signing(Hot<Keys>);

#[async_trait]
impl CredentialProvider for Signing {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let keys = self.0.get();
        let (Some(id), Some(secret)) = (&keys.id, &keys.secret) else {
            let source = "S3_ACCESS_KEY_ID is not given any more".into();
            return Err(object_store::Error::Generic { store: "S3", source });
        };
        Ok(Arc::new(AwsCredential {
            key_id: id.expose_secret().to_owned(),
            secret_key: secret.expose_secret().to_owned(),
            token: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_comes_before_the_host_where_the_settings_say_so() {
        let mut config = S3Config {
            bucket: "files".to_owned(),
            endpoint: Some("https://s3.example:9000".to_owned()),
            region: "us-east-1".to_owned(),
            virtual_hosted: false,
            allow_http: false,
            ca_file: "/nowhere".into(),
            timeout: Duration::from_secs(1),
            keys: Hot::new(Keys { id: None, secret: None }),
        };
        assert_eq!(endpoint(&config).as_deref(), Some("https://s3.example:9000"));
        config.virtual_hosted = true;
        assert_eq!(endpoint(&config).as_deref(), Some("https://files.s3.example:9000"));
        config.endpoint = None;
        assert_eq!(endpoint(&config), None);
    }
}
