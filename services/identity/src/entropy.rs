//! Where secrets and salts come from, injected like the clock.

use std::fmt;
use std::sync::Arc;

use error::Error;
use rand::TryRng;

type Fill = dyn Fn(&mut [u8]) -> Result<(), Error> + Send + Sync;

/// A source of unpredictable bytes. Cheap to clone.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

impl Entropy {
    /// The operating system's generator.
    pub fn system() -> Self {
        Self(Arc::new(|bytes| rand::rngs::SysRng.try_fill_bytes(bytes).map_err(Error::internal)))
    }

    /// A test's own.
    pub fn from_fn(fill: impl Fn(&mut [u8]) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// `N` fresh bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        (self.0)(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
