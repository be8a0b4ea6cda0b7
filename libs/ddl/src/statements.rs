//! A file as statements, each as words: comments and the insides of literals are left out.

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// Its words in lower case, and `(`, `)` and `,`. A literal is the word `''`.
    pub words: Vec<String>,
}

impl Statement {
    /// Whether it begins with these words.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(word, other)| word == other)
    }

    /// Whether one of the words is this one.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    /// The word after the first of these, with words in between that name nothing left out: the name of what a statement is about.
    pub(crate) fn named_after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|other| other == word)?;
        let mut rest = self.words.get(at + 1..)?.iter();
        rest.find(|word| !["if", "not", "exists", "only", "concurrently"].contains(&word.as_str()))
            .map(String::as_str)
    }

    /// The index that it makes, without its schema.
    pub fn index(&self) -> Option<&str> {
        let makes = self.begins(&["create", "index"]) || self.begins(&["create", "unique", "index"]);
        self.named_after("index").filter(|_| makes)
    }

    /// Of an `ALTER TABLE`: the table and its clauses, each as its words.
    pub(crate) fn alterations(&self) -> Option<(&str, Vec<&[String]>)> {
        if !self.begins(&["alter", "table"]) {
            return None;
        }
        let table = self.named_after("table")?;
        let at = self.words.iter().position(|word| word == table)?;
        let rest = self.words.get(at + 1..)?;
        let (mut clauses, mut depth, mut begin) = (Vec::new(), 0usize, 0);
        for (n, word) in rest.iter().enumerate() {
            match word.as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    clauses.push(&rest[begin..n]);
                    begin = n + 1;
                }
                _ => {}
            }
        }
        clauses.push(&rest[begin..]);
        Some((table, clauses))
    }
}

/// Cuts a text into statements.
pub fn statements(text: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let (mut line, mut begin) = (1, 1);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if words.is_empty() {
            begin = line;
        }
        let taken = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(end) = literal(rest) {
            words.push("''".to_owned());
            end
        } else if first.is_whitespace() {
            first.len_utf8()
        } else if first == ';' {
            if !words.is_empty() {
                found.push(Statement { line: begin, words: std::mem::take(&mut words) });
            }
            1
        } else if is_of_word(first) {
            let (word, end) = word(rest);
            words.push(word);
            end
        } else {
            if matches!(first, '(' | ')' | ',') {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        let (gone, left) = rest.split_at(taken);
        line += gone.matches('\n').count();
        rest = left;
    }
    if !words.is_empty() {
        found.push(Statement { line: begin, words });
    }
    found
}

/// Of names, of numbers, and of `{{schema}}.name`.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '{' | '}' | '"')
}

/// The word that the text begins with, in lower case, and its length there. Quotes stay around a name that could not be written without them, so
/// that nothing in it is taken for SQL.
fn word(text: &str) -> (String, usize) {
    let (mut word, mut at) = (String::new(), 0);
    while let Some(next) = text[at..].chars().next() {
        if next == '"' {
            let end = quoted(&text[at + 1..], '"', false).map_or(text.len(), |end| at + 1 + end);
            let name = text[at + 1..end].strip_suffix('"').unwrap_or(&text[at + 1..end]);
            let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            word.push_str(&if is_plain { name.to_lowercase() } else { format!("\"{name}\"") });
            at = end;
        } else if is_of_word(next) || next == '$' {
            word.extend(next.to_lowercase());
            at += next.len_utf8();
        } else {
            break;
        }
    }
    (word, at)
}

/// The length of what ends with this quotation mark, with the mark; doubled, it is one of the text's own. Some texts also have a backslash before it.
fn quoted(text: &str, mark: char, has_escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if has_escapes && c == '\\' {
            chars.next();
        } else if c == mark {
            if chars.peek().is_none_or(|(_, next)| *next != mark) {
                return Some(at + mark.len_utf8());
            }
            chars.next();
        }
    }
    None
}

/// The length of the literal that the text begins with: `'…'`, `E'…'` or `$tag$…$tag$`. One without an end goes to the end of the text.
fn literal(text: &str) -> Option<usize> {
    for (begin, has_escapes) in [("'", false), ("E'", true), ("e'", true)] {
        if let Some(rest) = text.strip_prefix(begin) {
            return Some(quoted(rest, '\'', has_escapes).map_or(text.len(), |end| begin.len() + end));
        }
    }
    let tag = text.strip_prefix('$')?;
    let tag = &tag[..tag.find('$')?];
    if !tag.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let mark = format!("${tag}$");
    let end = text[mark.len()..].find(&mark)?;
    Some(mark.len() + end + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        statements(text).into_iter().map(|statement| statement.words.join(" ")).collect()
    }

    #[test]
    fn comments_and_the_insides_of_literals_are_left_out() {
        let text = "-- DROP TABLE a;\nSELECT 'DROP; it''s', /* DROP; */ $$ DROP TABLE b; $$;\nCREATE FUNCTION {{schema}}.f() AS $x$ DELETE FROM y; $x$;";
        assert_eq!(words(text), ["select '' , ''", "create function {{schema}}.f ( ) as ''"]);
    }

    #[test]
    fn a_literal_with_escapes_ends_where_the_server_ends_it() {
        assert_eq!(words(r"SELECT E'it\'s; '; DELETE FROM t;"), ["select ''", "delete from t"]);
        assert_eq!(words(r"SELECT e'\\'; DELETE FROM t;"), ["select ''", "delete from t"]);
        assert_eq!(words(r"SELECT '\'; DELETE FROM t;"), ["select ''", "delete from t"]);
        assert_eq!(words("SELECT 'no end; DELETE FROM t;"), ["select ''"]);
    }

    #[test]
    fn a_quoted_name_is_one_word_whatever_is_in_it() {
        let text =
            "ALTER TABLE \"a--b\" ADD \"it's\" text; DROP TABLE s.\"x;\"\"(y\".\"Z\"; DELETE FROM t$1;";
        assert_eq!(
            words(text),
            ["alter table \"a--b\" add \"it's\" text", "drop table s.\"x;\"\"(y\".z", "delete from t$1"]
        );
    }

    #[test]
    fn a_statement_knows_its_line_also_after_a_literal_of_several() {
        let found = statements("-- phase: expand\nSELECT $$\n\n$$;\n\nDROP TABLE \"A\".b");
        assert_eq!(found.iter().map(|one| one.line).collect::<Vec<_>>(), [2, 6]);
        assert_eq!(found[1].words, ["drop", "table", "a.b"]);
    }

    #[test]
    fn clauses_are_cut_at_the_commas_outside_of_brackets() {
        let found = statements("ALTER TABLE ONLY s.t ADD CONSTRAINT c CHECK (a IN (1, 2)), DROP COLUMN b;");
        let (table, clauses) = found[0].alterations().unwrap();
        let clauses: Vec<String> = clauses.iter().map(|words| words.join(" ")).collect();
        assert_eq!(table, "s.t");
        assert_eq!(clauses, ["add constraint c check ( a in ( 1 , 2 ) )", "drop column b"]);
    }
}
