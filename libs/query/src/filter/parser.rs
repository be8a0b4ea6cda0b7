use error::Error;

use super::{Comparison, Expr, Literal, MAX_BYTES, MAX_COMPARISONS, MAX_DEPTH, MAX_LIST, Op, Value};
use crate::refusal;

/// Reads a filter; `Ok(None)` if there is nothing but white space. Every error is a 400 with the position at which
/// reading stopped.
pub fn parse(text: &str) -> Result<Option<Expr>, Error> {
    if text.len() > MAX_BYTES {
        return Err(refusal::filter(0, format!("a filter has at most {MAX_BYTES} bytes")));
    }
    let mut parser = Parser { text, byte: 0, comparisons: 0 };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let expr = parser.or(0)?;
    if parser.rest().is_empty() { Ok(Some(expr)) } else { Err(parser.expected("AND, OR or the end")) }
}

struct Parser<'a> {
    text: &'a str,
    /// Offset of what is read next; always on a character's boundary.
    byte: usize,
    comparisons: usize,
}

/// Every method that consumes something skips the white space after it.
impl<'a> Parser<'a> {
    fn or(&mut self, depth: usize) -> Result<Expr, Error> {
        let mut parts = vec![self.and(depth)?];
        while self.keyword("OR") {
            parts.push(self.and(depth)?);
        }
        Ok(joined(parts, Expr::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Expr, Error> {
        let mut parts = vec![self.not(depth)?];
        while self.keyword("AND") {
            parts.push(self.not(depth)?);
        }
        Ok(joined(parts, Expr::And))
    }

    fn not(&mut self, depth: usize) -> Result<Expr, Error> {
        let start = self.byte;
        if self.keyword("NOT") {
            self.check_depth(start, depth)?;
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.symbol("(") {
            self.check_depth(start, depth)?;
            let inner = self.or(depth + 1)?;
            return if self.symbol(")") { Ok(inner) } else { Err(self.expected("AND, OR or )")) };
        }
        self.comparison().map(Expr::Compare)
    }

    fn check_depth(&self, start: usize, depth: usize) -> Result<(), Error> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        Err(refusal::too_complex(self.at(start), format!("brackets and NOT nest at most {MAX_DEPTH} deep")))
    }

    fn comparison(&mut self) -> Result<Comparison, Error> {
        let start = self.byte;
        let field = self.field()?;
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            let detail = format!("a filter has at most {MAX_COMPARISONS} comparisons");
            return Err(refusal::too_complex(self.at(start), detail));
        }
        let op = self.operator()?;
        let values = self.values(op)?;
        Ok(Comparison { field, at: self.at(start), op, values })
    }

    fn field(&mut self) -> Result<String, Error> {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
        let name = &rest[..end];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !is_name || matches!(name, "AND" | "OR" | "NOT") {
            return Err(self.expected("a field, NOT or ("));
        }
        self.advance(end);
        Ok(name.to_owned())
    }

    fn operator(&mut self) -> Result<Op, Error> {
        // The longer ones first.
        for op in [Op::Ne, Op::Le, Op::Ge, Op::Eq, Op::Lt, Op::Gt, Op::Has] {
            if self.symbol(op.as_str()) {
                return Ok(op);
            }
        }
        Err(self.expected("an operator (= != < <= > >= :)"))
    }

    fn values(&mut self, op: Op) -> Result<Vec<Value>, Error> {
        let start = self.byte;
        if !self.symbol("(") {
            return Ok(vec![self.value(op)?]);
        }
        if !matches!(op, Op::Eq | Op::Ne) {
            return Err(refusal::filter(self.at(start), "a list stands after = or != only"));
        }
        let mut values = vec![self.value(op)?];
        while self.symbol(",") {
            if values.len() == MAX_LIST {
                let detail = format!("a list has at most {MAX_LIST} values");
                return Err(refusal::too_complex(self.at(self.byte), detail));
            }
            values.push(self.value(op)?);
        }
        if self.symbol(")") { Ok(values) } else { Err(self.expected(", or )")) }
    }

    fn value(&mut self, op: Op) -> Result<Value, Error> {
        let at = self.at(self.byte);
        let literal = match self.rest().chars().next() {
            Some('"') => self.quoted()?,
            Some('*') if op == Op::Has => {
                self.advance(1);
                Literal::Any
            }
            Some(c) if c.is_ascii_digit() || c == '-' => self.bare(),
            _ if self.keyword("true") => Literal::Bool(true),
            _ if self.keyword("false") => Literal::Bool(false),
            _ => return Err(self.expected("a value (text is in double quotes)")),
        };
        Ok(Value { at, literal })
    }

    fn bare(&mut self) -> Literal {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '+' | '-');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let text = rest[..end].to_owned();
        self.advance(end);
        Literal::Bare(text)
    }

    fn quoted(&mut self) -> Result<Literal, Error> {
        let start = self.byte;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            let at = start + offset;
            match c {
                '"' => {
                    self.advance(offset + 1);
                    return Ok(Literal::Text(text));
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    _ => return Err(refusal::filter(self.at(at), r#"the escapes are \" \\ \n and \t"#)),
                },
                '\0' => return Err(refusal::filter(self.at(at), "text must not contain the character NUL")),
                c => text.push(c),
            }
        }
        Err(refusal::filter(self.at(start), "the text is not closed by a double quote"))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.byte..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.byte += bytes;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.byte += rest.len() - rest.trim_start().len();
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.advance(symbol.len());
        }
        found
    }

    /// A word that no letter, digit, `_` or `.` continues.
    fn keyword(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        if ends {
            self.advance(word.len());
        }
        ends
    }

    /// The public position: characters before a byte offset.
    fn at(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or(self.text).chars().count()
    }

    fn expected(&self, what: &str) -> Error {
        refusal::filter(self.at(self.byte), format!("expected {what}"))
    }
}

fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}
