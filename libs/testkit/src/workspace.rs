//! Where things lie: the root of the checkout and the state directory of each purpose.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Who the backing services are for. No two share an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A developer's fleet: data are kept and survive a power cut.
    Dev,
    /// Tests: data need to survive `kill -9` of a process, not of the machine.
    Test,
    /// Measurements: as durable as a developer's, so that what is measured is what an operator gets.
    Bench,
}

impl Purpose {
    /// The word in names of containers and nodes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Purpose::Dev => "dev",
            Purpose::Test => "test",
            Purpose::Bench => "bench",
        }
    }
}

/// A checkout of the project.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The checkout at `root`, with build output in `root/target`.
    pub fn at(root: &Path) -> Result<Self> {
        let root = root.canonicalize().with_context(|| format!("the checkout at {}", root.display()))?;
        let target = root.join("target");
        Ok(Self { root, target })
    }

    /// The checkout this crate was built from; like cargo, it takes its output to `CARGO_TARGET_DIR` when that is set.
    pub fn here() -> Result<Self> {
        let here = Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
        Ok(match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => Self { target: here.root.join(target), ..here },
            None => here,
        })
    }

    /// The root of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Build output and state.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The directory of everything that belongs to `purpose`.
    pub fn state_dir(&self, purpose: Purpose) -> PathBuf {
        self.target.join(match purpose {
            Purpose::Dev => "dev",
            Purpose::Test => "test-backing",
            Purpose::Bench => "bench-backing",
        })
    }

    /// Eight hex digits that tell this checkout's output from others on the machine.
    pub(crate) fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.target.hash(&mut hasher);
        format!("{:08x}", hasher.finish() & 0xffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_share_a_directory() {
        let here = Workspace::here().unwrap();
        let [dev, test, bench] = [Purpose::Dev, Purpose::Test, Purpose::Bench].map(|p| here.state_dir(p));
        assert!(dev != test && test != bench && bench != dev);
        assert!(here.root().join("Cargo.toml").exists());
    }

    #[test]
    fn two_checkouts_have_two_marks_and_one_checkout_keeps_its_own() {
        let here = Workspace::here().unwrap();
        let there = Workspace::at(&here.root().join("libs")).unwrap();
        assert_ne!(here.mark(), there.mark());
        assert_eq!(here.mark(), Workspace::here().unwrap().mark());
    }
}
