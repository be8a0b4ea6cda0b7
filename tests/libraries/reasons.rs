//! The one list of reasons, and its page.

use std::collections::BTreeSet;

use reasons::{Reason, Use, markdown};

#[test]
fn every_reason_is_listed_under_each_of_its_uses() {
    let text = markdown();
    for reason in Reason::all() {
        let rows = text.matches(&format!("\n| `{reason}` |")).count();
        assert_eq!(rows, reason.uses().len(), "{reason}");
    }
    assert!(text.contains("\n## 412\n\n| reason |"));
}

#[test]
fn a_reason_is_found_by_its_word_and_is_listed_once() {
    let words: BTreeSet<&str> = Reason::all().map(Reason::as_str).collect();
    assert_eq!(words.len(), Reason::all().count());
    assert_eq!(Reason::find("VERSION_STALE"), Some(Reason::VERSION_STALE));
    assert_eq!(Reason::find("version_stale"), None);
}

#[test]
fn every_entry_says_something_in_whole_sentences() {
    for reason in Reason::all() {
        assert!(!reason.title().is_empty() && !reason.title().ends_with('.'), "{reason}");
        for text in [reason.meaning().as_str(), reason.remedy()] {
            assert!(
                text.ends_with('.') && text.starts_with(|c: char| c.is_uppercase() || c == '`'),
                "{reason}: {text}"
            );
        }
    }
}

#[test]
fn statuses_are_those_of_refusals_and_none_is_named_twice() {
    for reason in Reason::all() {
        let uses: BTreeSet<Use> = reason.uses().iter().copied().collect();
        assert_eq!(uses.len(), reason.uses().len(), "{reason}");
        for place in uses {
            assert!(!matches!(place, Use::Status(status) if !(400..=599).contains(&status)), "{reason}");
        }
    }
}
