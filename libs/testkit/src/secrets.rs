//! Random passwords that outlive a restart: made once, kept beside the state, readable by the owner only.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::state::{read_json, write_private};

/// Named secrets of one state directory. Callers hold the directory's lock when they may add one.
pub struct Secrets {
    file: PathBuf,
    values: BTreeMap<String, String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("names", &self.values.keys()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// The secrets kept in `dir`, none at first.
    pub fn open(dir: &Path) -> Result<Self> {
        let file = dir.join("secrets.json");
        let values = read_json(&file)?.unwrap_or_default();
        Ok(Self { file, values })
    }

    /// The secret `name`: 64 hex digits, made and saved on first use. Hex needs no escaping in a URL.
    pub fn get(&mut self, name: &str) -> Result<String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let mut value = String::new();
        for byte in random_bytes::<32>()? {
            write!(value, "{byte:02x}")?;
        }
        self.values.insert(name.to_owned(), value.clone());
        write_private(&self.file, &serde_json::to_vec_pretty(&self.values)?)?;
        Ok(value)
    }
}

/// Bytes of the kernel's generator.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut source = std::fs::File::open("/dev/urandom").context("the random generator")?;
    source.read_exact(&mut bytes).context("reading random bytes")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_kept_private_and_never_shown() {
        let dir = crate::state::scratch("secrets");
        let first = Secrets::open(&dir).unwrap().get("postgres").unwrap();
        let mut again = Secrets::open(&dir).unwrap();
        assert_eq!(again.get("postgres").unwrap(), first);
        assert_ne!(again.get("redis").unwrap(), first);
        assert!(!format!("{again:?}").contains(&first));
        let mode = std::fs::metadata(dir.join("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
