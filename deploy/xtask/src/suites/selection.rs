//! Which tests of a suite are meant. The test binary takes a test that fits *one* of its filters, so the name of a suite next to a
//! word would fit the whole suite, and the word every other one: the names are chosen here.

/// Options of a test binary whose value is an argument of its own.
const WITH_VALUE: [&str; 5] = ["--test-threads", "--logfile", "--format", "--color", "--shuffle-seed"];

/// What the arguments for a test binary ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Parts of names; none means all.
    words: Vec<String>,
    /// Parts of names that are left out.
    skipped: Vec<String>,
    /// Words are whole names.
    exact: bool,
    /// Everything else, for the test binary.
    pub(super) options: Vec<String>,
}

impl Selection {
    pub(super) fn of(arguments: &[String]) -> Self {
        let mut selection = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--exact" => selection.exact = true,
                "--skip" => selection.skipped.extend(rest.next().cloned()),
                option if option.starts_with('-') => {
                    selection.options.push(option.to_owned());
                    if WITH_VALUE.contains(&option) {
                        selection.options.extend(rest.next().cloned());
                    }
                }
                word => selection.words.push(word.to_owned()),
            }
        }
        selection
    }

    /// The tests of a suite that are meant, of those that the test binary lists (`name: test`, a line each).
    pub(super) fn choose(&self, suite: &str, listed: &[String]) -> Vec<String> {
        let names = listed.iter().filter_map(|line| line.strip_suffix(": test"));
        let of_suite = names.filter(|name| name.starts_with(&format!("{suite}::")));
        let fits =
            |name: &str, word: &String| if self.exact { name == word } else { name.contains(word.as_str()) };
        of_suite
            .filter(|name| self.words.is_empty() || self.words.iter().any(|word| fits(name, word)))
            .filter(|name| !self.skipped.iter().any(|word| fits(name, word)))
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &[&str]) -> Vec<String> {
        let listed =
            ["query::paging::ends", "query::plans::is_used", "records::lists::paging", "api::query::paging"];
        let listed = listed.map(|name| format!("{name}: test"));
        Selection::of(&arguments.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
            .choose("query", &listed)
    }

    #[test]
    fn a_module_of_another_suite_with_the_name_of_this_one_is_left_out() {
        assert_eq!(chosen(&[]), ["query::paging::ends", "query::plans::is_used"]);
    }

    #[test]
    fn words_narrow_a_suite_and_bring_in_no_other() {
        assert_eq!(chosen(&["paging"]), ["query::paging::ends"]);
        assert_eq!(chosen(&["paging", "used"]), ["query::paging::ends", "query::plans::is_used"]);
        assert_eq!(chosen(&["--skip", "paging"]), ["query::plans::is_used"]);
        assert_eq!(chosen(&["--exact", "query::plans::is_used"]), ["query::plans::is_used"]);
        for other in [&["records"][..], &["--exact", "query::plans"], &["--exact", "records::lists::paging"]]
        {
            assert_eq!(chosen(other), [""; 0]);
        }
    }

    #[test]
    fn options_go_to_the_test_binary_with_their_values() {
        let arguments = ["--nocapture", "paging", "--test-threads", "1", "--color=never"].map(str::to_owned);
        let selection = Selection::of(&arguments);
        assert_eq!(selection.options, ["--nocapture", "--test-threads", "1", "--color=never"]);
        assert_eq!(selection.words, ["paging"]);
    }
}
