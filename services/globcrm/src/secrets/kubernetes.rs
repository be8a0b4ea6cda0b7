//! Secrets as a manifest of Kubernetes.

use anyhow::Context;
use config::ExposeSecret;

use super::resolve::Secret;

/// A name that Kubernetes takes (RFC 1123, section 2.1).
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=253).contains(&text.len())
        && text.starts_with(is_inner)
        && text.ends_with(is_inner)
        && text.chars().all(|c| is_inner(c) || matches!(c, '-' | '.'));
    if fits {
        return Ok(text.to_owned());
    }
    Err("at most 253 lower-case letters, digits, '-' and '.' are expected, with a letter or a digit at both ends".to_owned())
}

/// The Secret. Values are in it as JSON texts, each of which is one of YAML as well.
pub(super) fn manifest(name: &str, secrets: &[Secret<'_>]) -> anyhow::Result<String> {
    let mut text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{name}\"\n  labels:\n    app.kubernetes.io/part-of: globcrm\ntype: Opaque\nstringData:\n"
    );
    for secret in secrets {
        let value = serde_json::to_string(secret.value.expose_secret());
        let value = value.with_context(|| secret.need.name.clone())?;
        text.push_str(&format!("  {}: {value}\n", secret.need.name));
    }
    Ok(text)
}
