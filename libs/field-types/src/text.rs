//! Plain text: what may be stored, and the folded form that is searched.

use reasons::Reason;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::FieldError;

/// Longest value of a `text` field, in characters.
pub const TEXT_CHARS: usize = 500;
/// Longest value of a `long_text` field, in characters.
pub const LONG_TEXT_CHARS: usize = 10_000;

/// NFC, line ends as `\n`, trimmed. `None` if nothing is left that can be seen.
///
/// Characters that turn the direction of what follows, or that nobody can see, are taken out: they make one name look like
/// another in lists. Joiners (U+200C, U+200D) and marks of direction (U+200E, U+200F) stay, as words of some scripts need them.
/// NUL cannot be stored by PostgreSQL and other control characters have no business in a record: both are refused.
/// The limit is counted in characters after normalisation.
pub fn clean(value: &str, max_chars: usize) -> Result<Option<String>, FieldError> {
    if value.contains('\0') {
        return Err(FieldError::new(Reason::NUL_CHARACTER, "text must not contain the character NUL"));
    }
    let lines =
        if value.contains('\r') { value.replace("\r\n", "\n").replace('\r', "\n") } else { value.into() };
    if lines.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(FieldError::new(
            Reason::TEXT_CONTROL_CHARACTER,
            "text must not contain control characters",
        ));
    }
    let normal: String = lines.chars().filter(|c| !deceives(*c)).nfc().collect();
    let trimmed = normal.trim();
    if trimmed.chars().all(is_blank) {
        return Ok(None);
    }
    if trimmed.chars().nth(max_chars).is_some() {
        return Err(FieldError::new(Reason::TOO_LONG, format!("at most {max_chars} characters")));
    }
    Ok(Some(trimmed.to_owned()))
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

/// What does not show by itself: fillers, selectors, marks of music and of language tags.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || is_invisible(c)
        || matches!(c, '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The exact form that `=` compares: NFC, nothing else changed.
pub fn nfc(value: &str) -> String {
    value.nfc().collect()
}

/// The form that is searched and sorted by: compatibility-decomposed, without accents and invisible characters,
/// lower case, runs of white space as one space, trimmed. `fold(fold(x)) == fold(x)`.
///
/// Marks that make another letter rather than an accented one (Indic vowel signs and viramas, kana voicing) stay.
pub fn fold(value: &str) -> String {
    let mut folded = String::with_capacity(value.len());
    let mut gap = false;
    for c in value.nfkd() {
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
