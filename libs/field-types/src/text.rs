//! Plain text: what may be stored, and the folded form that is searched.

use std::borrow::Cow;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use reasons::Reason;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::FieldError;

/// Longest value of a `text` field, in characters.
pub const TEXT_CHARS: usize = 500;
/// Longest value of a `long_text` field, in characters.
pub const LONG_TEXT_CHARS: usize = 10_000;

/// NFC, line ends as `\n`, trimmed. `None` if nothing is left that can be seen: what is White_Space or Default_Ignorable_Code_Point by
/// Unicode, and the blank Braille pattern (U+2800).
///
/// Characters that turn the direction of what follows, or that nobody can see, are taken out: they make one name look like
/// another in lists. Joiners (U+200C, U+200D) and marks of direction (U+200E, U+200F) stay, as words of some scripts need them.
/// NUL cannot be stored by PostgreSQL and other control characters have no business in a record: both are refused.
/// The limit counts characters (Unicode scalar values), of what is left: see [`length`].
pub fn clean(value: &str, max_chars: usize) -> Result<Option<String>, FieldError> {
    if value.contains('\0') {
        return Err(FieldError::new(Reason::NUL_CHARACTER, "text must not contain the character NUL"));
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(FieldError::new(
            Reason::TEXT_CONTROL_CHARACTER,
            "text must not contain control characters",
        ));
    }
    let normal = normal(value);
    let trimmed = normal.trim();
    if trimmed.chars().all(is_blank) {
        return Ok(None);
    }
    if trimmed.chars().nth(max_chars).is_some() {
        return Err(FieldError::new(Reason::TOO_LONG, format!("at most {max_chars} characters")));
    }
    Ok(Some(trimmed.to_owned()))
}

/// As [`clean`], of one line: line breaks and tabs are refused.
pub fn line(value: &str, max_chars: usize) -> Result<Option<String>, FieldError> {
    match clean(value, max_chars)? {
        Some(text) if text.contains(['\n', '\t', '\u{2028}', '\u{2029}']) => {
            Err(FieldError::new(Reason::TEXT_CONTROL_CHARACTER, "one line of text is expected"))
        }
        cleaned => Ok(cleaned),
    }
}

/// How many characters of a text count against a limit: those of its NFC, trimmed, without what [`clean`] takes out.
pub fn length(value: &str) -> usize {
    bare(&normal(value)).chars().count()
}

fn normal(value: &str) -> String {
    let lines: Cow<'_, str> = if value.contains('\r') {
        value.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        value.into()
    };
    lines.chars().filter(|c| !deceives(*c)).nfc().collect()
}

/// A value of one word, such as a code or a number, without what is around it and cannot be seen: white space, and marks that come
/// with copies from elsewhere (direction, joiners, byte order).
pub fn bare(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || is_ignorable(c))
}

/// What nothing is shown of by itself: Default_Ignorable_Code_Point, by the data of Unicode.
pub(crate) fn is_ignorable(c: char) -> bool {
    const IGNORABLE: icu_properties::CodePointSetDataBorrowed<'static> =
        CodePointSetData::new::<DefaultIgnorableCodePoint>();
    !c.is_ascii() && IGNORABLE.contains(c)
}

/// Embeddings, overrides and isolates of direction; spaces without width; what nothing is shown of.
fn deceives(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
}

/// A text that was made of another, without what [`clean`] takes out and refuses.
pub fn undeceiving(text: String) -> String {
    let stays = |c: char| !deceives(c) && (!c.is_control() || matches!(c, '\n' | '\t'));
    if text.chars().all(stays) { text } else { text.chars().filter(|c| stays(*c)).collect() }
}

/// What does not show by itself. The blank Braille pattern is a visible character by the data, and nothing for the eye.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || is_ignorable(c) || c == '\u{2800}'
}

/// The exact form that `=` compares: NFC, nothing else changed.
pub fn nfc(value: &str) -> String {
    value.nfc().collect()
}

/// The form that is searched and sorted by: compatibility-decomposed, without accents and invisible characters,
/// lower case, runs of white space as one space, trimmed. `fold(fold(x)) == fold(x)`. Apostrophes are one, and so are hyphens and
/// dashes: which of them is typed depends on the keyboard.
///
/// Marks that make another letter rather than an accented one (Indic vowel signs and viramas, kana voicing) stay.
pub fn fold(value: &str) -> String {
    let mut folded = String::with_capacity(value.len());
    let mut gap = false;
    // Some apostrophes decompose to a space and an accent, so they are mapped before.
    for c in value.chars().map(one_of_its_kind).nfkd().map(one_of_its_kind) {
        if c.is_whitespace() {
            gap = !folded.is_empty();
            continue;
        }
        if is_accent(c) || is_invisible(c) {
            continue;
        }
        if gap {
            folded.push(' ');
            gap = false;
        }
        for lower in c.to_lowercase() {
            push_base_letter(lower, &mut folded);
        }
    }
    folded
}

/// The one apostrophe, and the one hyphen, for all that look alike.
fn one_of_its_kind(c: char) -> char {
    match c {
        '`'
        | '\u{b4}'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2bf}'
        | '\u{2c8}'
        | '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{a78b}'
        | '\u{a78c}'
        | '\u{ff07}'
        | '\u{ff40}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        c => c,
    }
}

fn is_accent(c: char) -> bool {
    // 6..=9: overlays of Han reading, nukta, kana voicing and virama, which tell letters apart.
    !matches!(canonical_combining_class(c), 0 | 6..=9)
}

fn is_invisible(c: char) -> bool {
    deceives(c) || matches!(c, '\u{200c}'..='\u{200f}') || c.is_control()
}

/// Letters with a stroke or ligature have no decomposition, yet people search them by their base letters.
fn push_base_letter(c: char, folded: &mut String) {
    match c {
        'ß' => folded.push_str("ss"),
        'æ' => folded.push_str("ae"),
        'œ' => folded.push_str("oe"),
        'þ' => folded.push_str("th"),
        'ø' => folded.push('o'),
        'ł' => folded.push('l'),
        'đ' | 'ð' => folded.push('d'),
        'ħ' => folded.push('h'),
        'ı' => folded.push('i'),
        'ς' => folded.push('σ'),
        // What lower-casing adds as an accent (İ) is dropped like any other.
        c if is_accent(c) => {}
        c => folded.push(c),
    }
}

/// The first `chars` characters.
pub fn cut(value: &str, chars: usize) -> &str {
    value.char_indices().nth(chars).map_or(value, |(end, _)| &value[..end])
}
