//! Names that show what they are: in a list a name must be seen, and must not turn the letters around it.

/// Why a name misleads, with the text for people; `None` when it does not.
pub(crate) fn misleads(name: &str) -> Option<(&'static str, &'static str)> {
    if name.chars().any(turns_direction) {
        return Some((
            "TEXT_DIRECTION_CONTROL",
            "must not contain characters that turn the direction of text",
        ));
    }
    if name.chars().any(is_invisible) && name.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
        return Some(("TEXT_INVISIBLE", "must contain something that can be seen"));
    }
    None
}

/// Embeddings, overrides and isolates. Single marks (U+200E, U+200F) stay: names in Hebrew and Arabic may need them.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a shape: joiners, marks of direction, fillers, selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::misleads;

    #[test]
    fn what_turns_or_hides_is_refused_and_what_languages_need_is_not() {
        for turning in ["\u{202e}evil", "a\u{2066}b", "a\u{202c}"] {
            assert_eq!(
                misleads(turning).map(|(reason, _)| reason),
                Some("TEXT_DIRECTION_CONTROL"),
                "{turning:?}"
            );
        }
        for hidden in ["\u{200b}", "\u{200d}\u{feff}", "\u{3164}", "\u{2800} \u{ad}", "\u{e0041}", "\u{fe0f}"]
        {
            assert_eq!(misleads(hidden).map(|(reason, _)| reason), Some("TEXT_INVISIBLE"), "{hidden:?}");
        }
        for good in ["Zoë", "می\u{200c}خواهم", "שלום\u{200f}", "👩\u{200d}💻", "日本", "क्\u{200d}ष", ""]
        {
            assert_eq!(misleads(good), None, "{good:?}");
        }
    }
}
