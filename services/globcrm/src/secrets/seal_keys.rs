//! One more operator's key, for the exchange of those in use (libs/seal).

use std::path::Path;

use anyhow::{Context, bail};
use config::{ExposeSecret, SecretString};
use seal::{MOST_KEYS, OperatorKeys};

use super::files;

/// The keys of the file with a new one behind them, which opens and does not seal yet; without a file a new one alone. A key a line.
pub(super) fn with_another(file: Option<&Path>) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    if let Some(file) = file {
        let shown = || file.display().to_string();
        let kept = files::read(file)?.with_context(|| format!("{} is not there", shown()))?;
        let keys = OperatorKeys::new(&kept).with_context(shown)?;
        if keys.ids().count() >= MOST_KEYS {
            bail!("{} has {MOST_KEYS} keys already: take out one that no organization's key needs", shown());
        }
        text.push_str(kept.expose_secret().trim());
        text.push('\n');
    }
    text.push_str(seal::new_key()?.expose_secret());
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &SecretString) -> OperatorKeys {
        OperatorKeys::new(text).unwrap()
    }

    #[test]
    fn a_new_key_opens_before_it_seals() {
        let file = std::env::temp_dir().join(format!("globcrm-seal-keys-{}", std::process::id()));
        let first = with_another(None).unwrap();
        std::fs::write(&file, format!("{}\n", first.expose_secret())).unwrap();
        let both = with_another(Some(&file)).unwrap();
        assert_eq!(keys(&both).newest(), keys(&first).newest());
        assert_eq!(keys(&both).ids().count(), 2);
        let mut full = both;
        for _ in 2..MOST_KEYS {
            std::fs::write(&file, full.expose_secret()).unwrap();
            full = with_another(Some(&file)).unwrap();
        }
        std::fs::write(&file, full.expose_secret()).unwrap();
        let said = format!("{:#}", with_another(Some(&file)).map(drop).unwrap_err());
        std::fs::write(&file, "no key").unwrap();
        let said_too = format!("{:#}", with_another(Some(&file)).map(drop).unwrap_err());
        std::fs::remove_file(&file).unwrap();
        assert!(said.contains("has 8 keys already") && !said.contains(first.expose_secret()), "{said}");
        assert!(said_too.contains("64 hexadecimal digits") && !said_too.contains("no key"), "{said_too}");
        assert!(with_another(Some(&file)).is_err(), "there is no file");
    }
}
