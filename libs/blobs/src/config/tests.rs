use std::time::Duration;

use config::ExposeSecret;

use super::*;

const KEYS: [(&str, &str); 2] = [("S3_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("S3_SECRET_ACCESS_KEY", "hunter2")];

fn load(pairs: &[(&str, &str)]) -> Result<BlobConfig, String> {
    let named: Vec<(String, String)> =
        pairs.iter().map(|(name, text)| (format!("GLOBCRM_X_{name}"), (*text).to_owned())).collect();
    let env: config::Env = named.into_iter().collect();
    config::load::<BlobConfig>(&env, "X").map_err(|problems| problems.to_string())
}

fn with_keys<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().chain(&KEYS).copied().collect()
}

#[test]
fn a_bucket_has_what_is_given_and_defaults_and_keeps_its_keys_to_itself() {
    let pairs = with_keys(&[
        ("S3_BUCKET", "crm-files"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000/"),
        ("S3_ALLOW_HTTP", "true"),
    ]);
    let Ok(BlobConfig::Bucket(config)) = load(&pairs) else { panic!("no bucket") };
    assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!((config.region.as_str(), config.virtual_hosted), ("us-east-1", false));
    assert_eq!(config.timeout, Duration::from_secs(20));
    assert_eq!(config.keys.get().secret.as_ref().unwrap().expose_secret(), "hunter2");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("AKIAEXAMPLE"), "{shown}");
    assert!(matches!(load(&[("BLOB_DIR", "/tmp/x")]), Ok(BlobConfig::Directory(_))));
}

#[test]
fn what_is_wrong_is_refused_by_its_variable_and_without_its_value() {
    let bucket = ("S3_BUCKET", "crm-files");
    let plain = ("S3_ENDPOINT", "http://h:9000");
    for (pairs, text) in [
        (vec![], "X_BLOB_DIR is missing, and S3_BUCKET is, too"),
        (with_keys(&[bucket, ("BLOB_DIR", "/x")]), "X_S3_BUCKET and BLOB_DIR exclude each other"),
        (vec![bucket], "X_S3_ACCESS_KEY_ID is missing, and S3_BUCKET needs it"),
        (vec![bucket, KEYS[0]], "X_S3_SECRET_ACCESS_KEY is missing, as S3_ACCESS_KEY_ID is given"),
        (vec![bucket, KEYS[1]], "X_S3_ACCESS_KEY_ID is missing, as S3_SECRET_ACCESS_KEY is given"),
        (with_keys(&[("BLOB_DIR", "/x")]), "X_S3_ACCESS_KEY_ID has no effect without S3_BUCKET"),
        (vec![("BLOB_DIR", "/x"), plain], "X_S3_ENDPOINT has no effect without S3_BUCKET"),
        (with_keys(&[bucket, plain]), "X_S3_ENDPOINT is http://"),
        (with_keys(&[bucket, ("S3_CA_FILE", "/nowhere")]), "X_S3_CA_FILE must name a file with certificates"),
        (
            with_keys(&[bucket, plain, ("S3_ALLOW_HTTP", "true"), ("S3_CA_FILE", "/x")]),
            "X_S3_CA_FILE has no effect without https://",
        ),
        (with_keys(&[bucket, ("S3_TIMEOUT", "0.5")]), "X_S3_TIMEOUT must be at least 1"),
    ] {
        let problems = load(&pairs).unwrap_err();
        assert!(problems.contains(text), "{pairs:?}: {problems}");
        assert!(!problems.contains("hunter2") && !problems.contains("AKIAEXAMPLE"), "{problems}");
    }
    for name in ["ab", "Files", "a/b", "-files", "files.", "a..b", "a b"] {
        let problems = load(&with_keys(&[("S3_BUCKET", name)])).unwrap_err();
        assert!(problems.contains("X_S3_BUCKET must be the name of a bucket"), "{name}: {problems}");
    }
    for url in
        ["s3.example", "ftp://h", "https://user:hunter2@h", "https://h/path", "https://h?x", "https://"]
    {
        let problems = load(&with_keys(&[bucket, ("S3_ENDPOINT", url)])).unwrap_err();
        assert!(problems.contains("X_S3_ENDPOINT must be a URL of a server alone"), "{url}: {problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
