//! A release by the two numbers that compatibility goes by.

use std::fmt;

/// `0.3`: programs of one release work on the same schema, whatever the third number of their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
}

impl Release {
    /// Reads `0.3`, and of a version such as `0.3.1-rc.1` the first two numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        let mut next = || {
            let number = numbers.next()?;
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| number.parse().ok()).flatten()
        };
        Some(Self { major: next()?, minor: next()? })
    }

    /// The release of this tree.
    pub fn current() -> Self {
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self { major: 0, minor: 0 })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number_and_read_from_versions() {
        let release = |text| Release::parse(text).unwrap();
        assert!(release("0.9") < release("0.10") && release("0.10") < release("1.0"));
        assert_eq!(release("0.3.1-rc.1"), release("0.3"));
        assert_eq!(release("1.20").to_string(), "1.20");
        for wrong in ["", "1", "1.", ".1", "a.b", "1.x", "-1.0", "+1.0"] {
            assert_eq!(Release::parse(wrong), None, "{wrong}");
        }
        assert!(Release::current() > release("0.0"));
    }
}
