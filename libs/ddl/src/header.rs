//! The header of a migration: the comments at its very top that say something to programs.
//!
//! ```sql
//! -- phase: contract
//! -- after: 0.3
//! -- allow: ban-drop-column: release 0.3 is the first that does not read it
//! ```

use crate::Release;

/// What a migration may do to programs that run while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Adds what an older program does not mind.
    Expand,
    /// Changes rows, and nothing else.
    Backfill,
    /// Takes away what no program of the releases from [`Header::after`] on uses.
    Contract,
}

impl Phase {
    /// The word in the header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Backfill => "backfill",
            Self::Contract => "contract",
        }
    }
}

/// The header of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `-- phase: expand`, the first line.
    pub phase: Phase,
    /// `-- after: 0.3`: the first release whose program does without what a contract takes away. `0.0` where no release has ever used it.
    pub after: Option<Release>,
    /// `-- transaction: none`: runs by itself, as `CREATE INDEX CONCURRENTLY` must.
    pub is_alone: bool,
    /// `-- allow: rule: reason`: findings of the linter that are meant so.
    pub allowed: Vec<(&'a str, &'a str)>,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The first line is another one.
    #[error("the first line must be `-- phase: expand`, `-- phase: backfill` or `-- phase: contract`")]
    NoPhase,
    /// A line that looks like one of the header and is none.
    #[error("`-- {0}:` is not a line of a header; these are: phase, after, transaction, allow")]
    Unknown(String),
    /// A line that is there already.
    #[error("`-- {0}:` is repeated")]
    Repeated(&'static str),
    /// A value that cannot be read.
    #[error("`-- {0}:` needs {1}")]
    Value(&'static str, &'static str),
    /// A contract that names no release.
    #[error(
        "a contract needs `-- after: X.Y`, the first release that does without what it takes away (0.0: no release ever used it)"
    )]
    NoRelease,
    /// A release where nothing is taken away.
    #[error("`-- after:` is for contracts only")]
    ReleaseOfNoContract,
}

/// The lines of the header: its words and values.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map_while(|line| {
        let (word, value) = line.strip_prefix("-- ")?.split_once(": ")?;
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        is_word.then(|| (word, value.trim()))
    })
}

impl<'a> Header<'a> {
    /// Reads the header of a file.
    pub fn of(text: &'a str) -> Result<Self, HeaderError> {
        let (mut phase, mut after, mut is_alone, mut allowed) = (None, None, false, Vec::new());
        for (number, (word, value)) in lines(text).enumerate() {
            if number == 0 && word != "phase" {
                return Err(HeaderError::NoPhase);
            }
            match word {
                "phase" if phase.is_some() => return Err(HeaderError::Repeated("phase")),
                "phase" => {
                    let all = [Phase::Expand, Phase::Backfill, Phase::Contract];
                    let found = all.into_iter().find(|phase| phase.word() == value);
                    phase = Some(found.ok_or(HeaderError::NoPhase)?);
                }
                "after" if after.is_some() => return Err(HeaderError::Repeated("after")),
                "after" => {
                    let dots = value.matches('.').count() == 1;
                    let release = Release::parse(value).filter(|_| dots);
                    after = Some(release.ok_or(HeaderError::Value("after", "a release such as 0.3"))?);
                }
                "transaction" if value == "none" => is_alone = true,
                "transaction" => return Err(HeaderError::Value("transaction", "the value `none`")),
                "allow" => {
                    let pair = value
                        .split_once(": ")
                        .filter(|(rule, reason)| !rule.contains(' ') && reason.trim().len() > 9);
                    let wanted = "a rule and why it does not matter here: `-- allow: rule: reason`";
                    allowed.push(pair.ok_or(HeaderError::Value("allow", wanted))?);
                }
                other => return Err(HeaderError::Unknown(other.to_owned())),
            }
        }
        let phase = phase.ok_or(HeaderError::NoPhase)?;
        match (phase, after) {
            (Phase::Contract, None) => Err(HeaderError::NoRelease),
            (Phase::Expand | Phase::Backfill, Some(_)) => Err(HeaderError::ReleaseOfNoContract),
            _ => Ok(Self { phase, after, is_alone, allowed }),
        }
    }
}

/// The text as checksums see it: without the lines of the header that came to files which had run by then, `after` and `allow`. They change
/// nothing in a database, so a database that was migrated before them takes the file as the one that it knows.
pub fn without_notes(text: &str) -> String {
    let header = lines(text).count();
    let is_note = |line: &str| line.starts_with("-- after: ") || line.starts_with("-- allow: ");
    let kept = text.split_inclusive('\n').enumerate().filter(|(n, line)| *n >= header || !is_note(line));
    kept.map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_phase_release_and_exceptions_and_ends_before_the_first_other_line() {
        let text = "-- phase: contract\n-- after: 0.3\n-- allow: ban-drop-column: 0.3 does not read it\n-- Words: free text.\nDROP TABLE x;\n";
        let header = Header::of(text).unwrap();
        assert_eq!((header.phase, header.after), (Phase::Contract, Release::parse("0.3")));
        assert_eq!(header.allowed, [("ban-drop-column", "0.3 does not read it")]);
        assert!(!header.is_alone);
        let alone =
            "-- phase: expand\n-- transaction: none\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);";
        assert!(Header::of(alone).unwrap().is_alone);
    }

    #[test]
    fn what_is_wrong_with_a_header_is_named() {
        let wrong = [
            ("CREATE TABLE x ();", HeaderError::NoPhase),
            ("-- Notes.\n-- phase: expand\n", HeaderError::NoPhase),
            ("-- phase: extend\n", HeaderError::NoPhase),
            ("-- after: 0.3\n-- phase: contract\n", HeaderError::NoPhase),
            ("-- phase: contract\nDROP TABLE x;", HeaderError::NoRelease),
            ("-- phase: expand\n-- after: 0.3\n", HeaderError::ReleaseOfNoContract),
            ("-- phase: expand\n-- phase: expand\n", HeaderError::Repeated("phase")),
            ("-- phase: contract\n-- aftr: 0.3\n", HeaderError::Unknown("aftr".to_owned())),
            ("-- phase: contract\n-- after: soon\n", HeaderError::Value("after", "a release such as 0.3")),
            ("-- phase: contract\n-- after: 0.3.1\n", HeaderError::Value("after", "a release such as 0.3")),
            (
                "-- phase: expand\n-- transaction: one\n",
                HeaderError::Value("transaction", "the value `none`"),
            ),
        ];
        for (text, error) in wrong {
            assert_eq!(Header::of(text).unwrap_err(), error, "{text}");
        }
        assert!(matches!(
            Header::of("-- phase: expand\n-- allow: some-rule\n"),
            Err(HeaderError::Value("allow", _))
        ));
        assert!(matches!(
            Header::of("-- phase: expand\n-- allow: rule: no\n"),
            Err(HeaderError::Value("allow", _))
        ));
    }

    #[test]
    fn notes_of_the_header_do_not_count_and_every_other_letter_does() {
        let before = "-- phase: contract\n-- Why.\n-- after: this stays\nDROP TABLE x;\n";
        assert_eq!(without_notes(before), before);
        let noted = before.replacen('\n', "\n-- after: 0.0\n-- allow: ban-drop-table: nobody has it\n", 1);
        assert_eq!(without_notes(&noted), before);
        let other = before.replace("Why", "Because");
        assert_ne!(without_notes(&other), before);
    }
}
