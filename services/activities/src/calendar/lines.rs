//! Content lines of iCalendar (RFC 5545, 3.1): folded, escaped, each ended by CRLF.

use std::fmt::Display;

/// Most bytes of a line, without its end.
const MAX_LINE: usize = 75;

/// Lines, as they are written.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A property whose value needs no escaping; `name` has its parameters.
    pub(super) fn put(&mut self, name: impl Display, value: impl Display) {
        let mut room = MAX_LINE;
        for c in format!("{name}:{value}").chars() {
            if c.len_utf8() > room {
                // The space that begins it belongs to the line.
                self.0.push_str("\r\n ");
                room = MAX_LINE - 1;
            }
            self.0.push(c);
            room -= c.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    /// A property that is text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.put(name, escaped(value));
    }

    /// A component, with what `write` puts into it.
    pub(super) fn component(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.put("BEGIN", name);
        write(self);
        self.put("END", name);
    }

    /// Goes on with other lines.
    pub(super) fn append(&mut self, other: Self) {
        self.0.push_str(&other.0);
    }

    /// All of them.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A value of the type TEXT (RFC 5545, 3.3.11). Of control characters only ends of lines and tabs are left: there is no way to write others.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' | '\r' => escaped.push_str("\\n"),
            c if c.is_control() && c != '\t' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_folded_at_75_bytes_and_never_within_a_character() {
        for text in ["a".repeat(300), "ü".repeat(200), "\u{1f600}a".repeat(80), "x".repeat(67)] {
            let mut lines = Lines::default();
            lines.text("SUMMARY", &text);
            let written = lines.into_text();
            let folded: Vec<&str> = written.split_terminator("\r\n").collect();
            assert!(folded.iter().all(|line| line.len() <= MAX_LINE), "{written}");
            assert!(folded[1..].iter().all(|line| line.starts_with(' ')));
            assert!(
                folded.iter().rev().skip(1).all(|line| line.len() > MAX_LINE - 4),
                "no line is cut too early"
            );
            assert_eq!(written.replace("\r\n ", ""), format!("SUMMARY:{text}\r\n"));
        }
    }

    #[test]
    fn text_ends_no_line_and_no_value() {
        assert_eq!(
            escaped("a;b,c\\d\r\ne\nf\rg\u{0}\u{85}\th: \"i\""),
            "a\\;b\\,c\\\\d\\ne\\nf\\ng\th: \"i\""
        );
        let mut lines = Lines::default();
        lines.text("SUMMARY", "x\r\nEND:VEVENT");
        assert_eq!(lines.into_text(), "SUMMARY:x\\nEND:VEVENT\r\n");
    }
}
