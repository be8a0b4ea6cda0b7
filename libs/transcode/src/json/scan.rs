//! A strict JSON tokenizer (RFC 8259): one place in the text, moved by the caller that knows what it expects.

use std::borrow::Cow;

/// Objects and arrays inside one another, the outermost included.
pub(crate) const MAX_DEPTH: usize = 32;
/// Up to so many members are compared pair by pair; larger objects are sorted once.
const SMALL_OBJECT: usize = 16;

/// Why a text is not acceptable JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at line {line}, column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// Bytes from the start of the body.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// What can be wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// The text ends too early.
    #[error("the text ends inside a value")]
    End,
    /// Something else was expected; holds what.
    #[error("expected {0}")]
    Expected(&'static str),
    /// More text follows the value.
    #[error("text follows the value")]
    Trailing,
    /// A control character stands in a string.
    #[error("a control character in a string must be escaped")]
    Control,
    /// A backslash does not begin an escape.
    #[error("unknown escape in a string")]
    Escape,
    /// Half of a surrogate pair.
    #[error("a surrogate without its other half")]
    Surrogate,
    /// Not a number of JSON.
    #[error("not a number of JSON")]
    Number,
    /// A member stands twice in one object.
    #[error("the member `{0}` is repeated")]
    Repeated(String),
    /// Too many objects and arrays inside one another.
    #[error("more than {MAX_DEPTH} objects and arrays inside one another")]
    Depth,
}

impl JsonError {
    pub(crate) fn at(text: &[u8], offset: usize, fault: JsonFault) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        // Continuation bytes are not characters of their own.
        let column = before[line_start..].iter().filter(|b| **b & 0xc0 != 0x80).count() + 1;
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        Self { fault, offset, line, column }
    }
}

/// A string of the text, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// Between the quotes.
    pub(crate) raw: &'a str,
    escaped: bool,
    /// Contains U+0000.
    pub(crate) nul: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn decode(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut out = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            out.push_str(&rest[..at]);
            let (character, length) = unescape(&rest[at..]);
            out.push(character);
            rest = &rest[at + length..];
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// The character of a checked escape and the bytes it takes.
fn unescape(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let high = hex4(bytes, 2).unwrap_or(0);
            if (0xd800..0xdc00).contains(&high) {
                let low = hex4(bytes, 8).unwrap_or(0);
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
            }
            return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
        }
        Some(other) => char::from(*other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let mut value = 0;
    for byte in bytes.get(at..at + 4)? {
        value = value * 16 + char::from(*byte).to_digit(16)?;
    }
    Some(value)
}

/// An object being read.
#[derive(Debug)]
pub(crate) struct Members {
    /// Where its names begin among those of the open objects.
    names: usize,
    first: bool,
}

/// A place in a JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    /// Names of the open objects' members with their places, innermost last.
    names: Vec<(Cow<'a, str>, usize)>,
    /// The text is our own, so no name stands twice.
    trusted: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, position: 0, depth: 0, names: Vec::new(), trusted: false }),
            Err(error) => Err(JsonError::at(bytes, error.valid_up_to(), JsonFault::Utf8)),
        }
    }

    /// Does not look for repeated members.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Result<Self, JsonError> {
        Ok(Self { trusted: true, ..Self::new(bytes)? })
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The text from a place to here.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.position]
    }

    pub(crate) fn fail<T>(&self, fault: JsonFault) -> Result<T, JsonError> {
        Err(JsonError::at(self.text.as_bytes(), self.position, fault))
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.position..];
        let space = rest.iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.position += space;
    }

    /// The next byte that is not white space.
    pub(crate) fn peek(&mut self) -> Result<u8, JsonError> {
        self.skip_space();
        match self.text.as_bytes().get(self.position) {
            Some(byte) => Ok(*byte),
            None => self.fail(JsonFault::End),
        }
    }

    /// Nothing but white space is left.
    pub(crate) fn finish(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.position == self.text.len() { Ok(()) } else { self.fail(JsonFault::Trailing) }
    }

    /// Steps into an object or array; the caller has seen its first byte.
    pub(crate) fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return self.fail(JsonFault::Depth);
        }
        self.depth += 1;
        self.position += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.position += 1;
    }

    /// The next element of an open array is at hand; `false`: the array has been closed.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, JsonError> {
        match self.peek()? {
            b']' => self.close(),
            _ if first => return Ok(true),
            b',' => {
                self.position += 1;
                return Ok(true);
            }
            _ => return self.fail(JsonFault::Expected("`,` or `]`")),
        }
        Ok(false)
    }

    /// An object about to be read; for [`Self::member`].
    pub(crate) fn members(&self) -> Members {
        Members { names: self.names.len(), first: true }
    }

    /// The name of the next member of an open object, the value being next; `None`: the object has been closed.
    pub(crate) fn member(&mut self, object: &mut Members) -> Result<Option<Text<'a>>, JsonError> {
        let first = std::mem::take(&mut object.first);
        match self.peek()? {
            b'}' => {
                self.close();
                self.check_names(object.names)?;
                return Ok(None);
            }
            b',' if !first => {
                self.position += 1;
                self.skip_space();
            }
            _ if first => {}
            _ => return self.fail(JsonFault::Expected("`,` or `}`")),
        }
        let start = self.position;
        let name = self.string("the name of a member")?;
        if !self.trusted {
            self.names.push((name.decode(), start));
        }
        if self.peek()? != b':' {
            return self.fail(JsonFault::Expected("`:`"));
        }
        self.position += 1;
        Ok(Some(name))
    }

    /// Refuses an object in which a name stands twice, and forgets its names.
    fn check_names(&mut self, names: usize) -> Result<(), JsonError> {
        let own = &mut self.names[names..];
        let repeated = if own.len() <= SMALL_OBJECT {
            own.iter().enumerate().find(|(at, (name, _))| own[..*at].iter().any(|(n, _)| n == name))
        } else {
            own.sort_unstable();
            own.iter().enumerate().skip(1).find(|(at, (name, _))| own[*at - 1].0 == *name)
        };
        if let Some((_, (name, offset))) = repeated {
            let fault = JsonFault::Repeated(name.to_string());
            return Err(JsonError::at(self.text.as_bytes(), *offset, fault));
        }
        self.names.truncate(names);
        Ok(())
    }

    pub(crate) fn string(&mut self, expected: &'static str) -> Result<Text<'a>, JsonError> {
        if self.peek()? != b'"' {
            return self.fail(JsonFault::Expected(expected));
        }
        let start = self.position + 1;
        let bytes = self.text.as_bytes();
        let (mut escaped, mut nul) = (false, false);
        let mut at = start;
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else {
                self.position = bytes.len();
                return self.fail(JsonFault::End);
            };
            if let Some(control) = bytes[at..at + found].iter().position(|b| *b < 0x20) {
                self.position = at + control;
                return self.fail(JsonFault::Control);
            }
            at += found;
            if bytes[at] == b'"' {
                break;
            }
            escaped = true;
            self.position = at;
            at += self.escape(&mut nul)?;
        }
        self.position = at + 1;
        Ok(Text { raw: &self.text[start..at], escaped, nul })
    }

    /// The length of the escape at hand.
    fn escape(&self, nul: &mut bool) -> Result<usize, JsonError> {
        let bytes = &self.text.as_bytes()[self.position..];
        match bytes.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match hex4(bytes, 2) {
                None => self.fail(JsonFault::Escape),
                Some(0xdc00..=0xdfff) => self.fail(JsonFault::Surrogate),
                Some(0xd800..=0xdbff) => match hex4(bytes, 8) {
                    Some(0xdc00..=0xdfff) if bytes[6] == b'\\' && bytes[7] == b'u' => Ok(12),
                    _ => self.fail(JsonFault::Surrogate),
                },
                Some(code) => {
                    *nul |= code == 0;
                    Ok(6)
                }
            },
            Some(_) => self.fail(JsonFault::Escape),
            None => self.fail(JsonFault::End),
        }
    }

    /// The text of a number.
    pub(crate) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let bytes = &self.text.as_bytes()[self.position..];
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 || (whole > 1 && bytes[at] == b'0') {
            return self.fail(JsonFault::Number);
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return self.fail(JsonFault::Number);
            }
            at += 1 + fraction;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return self.fail(JsonFault::Number);
            }
            at += exponent;
        }
        let start = self.position;
        self.position += at;
        Ok(&self.text[start..self.position])
    }

    /// `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        self.skip_space();
        if self.text.as_bytes()[self.position..].starts_with(word.as_bytes()) {
            self.position += word.len();
            return Ok(());
        }
        self.fail(JsonFault::Expected("a value"))
    }

    /// Checks any value and steps over it.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string("a string").map(drop),
            b'{' => {
                self.open()?;
                let mut object = self.members();
                while self.member(&mut object)?.is_some() {
                    self.skip_value()?;
                }
                Ok(())
            }
            b'[' => {
                self.open()?;
                let mut first = true;
                while self.element(first)? {
                    first = false;
                    self.skip_value()?;
                }
                Ok(())
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => self.fail(JsonFault::Expected("a value")),
        }
    }
}
