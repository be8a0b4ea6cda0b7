//! Which locks a migration holds on tables that are there before it, and for how long. A table that the file makes has no users yet.
//!
//! After PostgreSQL's documentation of explicit locking, and of `ALTER TABLE` and `CREATE INDEX`. Where a clause is not known, a moment of the strongest lock is said.

use std::fmt;

use crate::phases::made;
use crate::statements;

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocks {
    /// Nobody who reads or writes.
    Nobody,
    /// Those who write.
    Writes,
    /// Those who read or write.
    Everything,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasts {
    /// Until the file is done; it does not depend on the number of rows.
    Moment,
    /// While every row is read.
    Reading,
    /// While every row is written anew.
    Rewriting,
}

/// One lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The table, or the index of whose table it is.
    pub of: String,
    /// Who waits.
    pub blocks: Blocks,
    /// For how long.
    pub lasts: Lasts,
}

impl Lock {
    /// Whether others wait for as long as the rows are many.
    pub fn is_long(&self) -> bool {
        self.blocks > Blocks::Nobody && self.lasts > Lasts::Moment
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = match self.blocks {
            Blocks::Nobody => "holds up nobody",
            Blocks::Writes => "holds up writes",
            Blocks::Everything => "holds up reads and writes",
        };
        let how_long = match self.lasts {
            Lasts::Moment => "for a moment",
            Lasts::Reading => "while every row is read",
            Lasts::Rewriting => "while every row is rewritten",
        };
        write!(f, "{whom} of {} {how_long}", self.of)
    }
}

/// The strongest lock on each table that the file does not make, the longest first. Locks are held to the end of the file.
pub fn locks(text: &str) -> Vec<Lock> {
    let statements = statements(text);
    let made = made(&statements);
    let mut found: Vec<Lock> = Vec::new();
    for statement in &statements {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        let (of, blocks, lasts) = match words.as_slice() {
            ["create", "index", ..] | ["create", "unique", "index", ..] => {
                let of = statement.named_after("on");
                if words.contains(&"concurrently") {
                    (of, Blocks::Nobody, Lasts::Reading)
                } else if words.windows(2).any(|pair| pair == ["on", "only"]) {
                    (of, Blocks::Writes, Lasts::Moment)
                } else {
                    (of, Blocks::Writes, Lasts::Reading)
                }
            }
            ["alter", "table", ..] => {
                let Some((table, clauses)) = statement.alterations() else { continue };
                let strongest =
                    clauses.into_iter().map(alteration).max_by_key(|(blocks, lasts)| (*lasts, *blocks));
                let Some((blocks, lasts)) = strongest else { continue };
                (Some(table), blocks, lasts)
            }
            ["create" | "drop", "trigger", ..] => {
                (statement.named_after("on"), Blocks::Writes, Lasts::Moment)
            }
            ["create" | "drop" | "alter", "policy", ..] => {
                (statement.named_after("on"), Blocks::Everything, Lasts::Moment)
            }
            ["drop", "index", ..] if words.contains(&"concurrently") => {
                (statement.named_after("index"), Blocks::Nobody, Lasts::Moment)
            }
            ["drop", kind @ ("table" | "index"), ..] => {
                (statement.named_after(kind), Blocks::Everything, Lasts::Moment)
            }
            _ => continue,
        };
        let Some(of) = of.filter(|of| !made.contains(*of)) else { continue };
        match found.iter_mut().find(|lock| lock.of == of) {
            Some(known) => known.blocks = known.blocks.max(blocks),
            None => found.push(Lock { of: of.to_owned(), blocks, lasts }),
        }
        // Held to the end of the file: what was locked before this statement waits for it, too.
        for held in &mut found {
            held.lasts = held.lasts.max(lasts);
        }
    }
    found.sort_by_key(|lock| std::cmp::Reverse((lock.lasts, lock.blocks)));
    found
}

/// Of one clause of `ALTER TABLE`.
fn alteration(clause: &[String]) -> (Blocks, Lasts) {
    let words: Vec<&str> = clause.iter().map(String::as_str).filter(|word| *word != "column").collect();
    let is_later = words.windows(2).any(|pair| pair == ["not", "valid"]);
    let has = |word: &str| words.contains(&word);
    match words.as_slice() {
        ["validate" | "attach", ..] => (Blocks::Nobody, Lasts::Reading),
        ["alter", _, "type", ..] | ["alter", _, "set", "data", ..] => (Blocks::Everything, Lasts::Rewriting),
        ["alter", _, "set", "not", ..] => (Blocks::Everything, Lasts::Reading),
        ["add", "constraint" | "check" | "foreign" | "unique" | "primary" | "exclude", ..] => {
            let is_reference = has("references");
            let blocks = if is_reference { Blocks::Writes } else { Blocks::Everything };
            let lasts = if is_later || words.windows(2).any(|pair| pair == ["using", "index"]) {
                Lasts::Moment
            } else {
                Lasts::Reading
            };
            (blocks, lasts)
        }
        ["add", ..] if has("generated") && has("stored") => (Blocks::Everything, Lasts::Rewriting),
        ["add", ..] if is_computed(&words) => (Blocks::Everything, Lasts::Rewriting),
        ["add", ..] if has("check") || has("unique") || has("primary") => {
            (Blocks::Everything, Lasts::Reading)
        }
        _ => (Blocks::Everything, Lasts::Moment),
    }
}

/// Whether a default is computed for each row. `now()` is the same for all.
fn is_computed(words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|word| *word == "default") else { return false };
    words[at..].windows(2).any(|pair| pair[1] == "(" && !["now", "default", "check"].contains(&pair[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_of_statements_are_those_of_the_documentation() {
        use Blocks::{Everything, Nobody, Writes};
        use Lasts::{Moment, Reading, Rewriting};
        for (statement, blocks, lasts) in [
            ("CREATE INDEX i ON s.t (a)", Writes, Reading),
            ("CREATE UNIQUE INDEX i ON s.t (a)", Writes, Reading),
            ("CREATE INDEX i ON ONLY s.t (a)", Writes, Moment),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t (a)", Nobody, Reading),
            ("ALTER TABLE s.t ADD COLUMN a text", Everything, Moment),
            ("ALTER TABLE s.t ADD COLUMN a boolean NOT NULL DEFAULT false", Everything, Moment),
            ("ALTER TABLE s.t ADD COLUMN a timestamptz NOT NULL DEFAULT now()", Everything, Moment),
            ("ALTER TABLE s.t ADD COLUMN a uuid DEFAULT gen_random_uuid()", Everything, Rewriting),
            (
                "ALTER TABLE s.t ADD COLUMN a text GENERATED ALWAYS AS (lower(b)) STORED",
                Everything,
                Rewriting,
            ),
            ("ALTER TABLE s.t ADD COLUMN a text CHECK (a IN ('x'))", Everything, Reading),
            ("ALTER TABLE s.t ADD CONSTRAINT c CHECK (a > 0)", Everything, Reading),
            ("ALTER TABLE s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", Everything, Moment),
            ("ALTER TABLE s.t ADD FOREIGN KEY (a) REFERENCES s.u", Writes, Reading),
            ("ALTER TABLE s.t ADD CONSTRAINT p PRIMARY KEY USING INDEX i", Everything, Moment),
            ("ALTER TABLE s.t VALIDATE CONSTRAINT c", Nobody, Reading),
            ("ALTER TABLE s.t ALTER COLUMN a TYPE bigint", Everything, Rewriting),
            ("ALTER TABLE s.t ALTER COLUMN a SET NOT NULL", Everything, Reading),
            ("ALTER TABLE s.t DROP COLUMN a", Everything, Moment),
            ("ALTER TABLE s.t ADD COLUMN a text, ADD CHECK (a > 0)", Everything, Reading),
            ("DROP TABLE s.t", Everything, Moment),
            ("CREATE POLICY p ON s.t USING (true)", Everything, Moment),
            ("CREATE TRIGGER g AFTER UPDATE OF a ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()", Writes, Moment),
        ] {
            assert_eq!(locks(statement), [Lock { of: "s.t".to_owned(), blocks, lasts }], "{statement}");
        }
    }

    #[test]
    fn a_table_that_the_file_makes_keeps_nobody_waiting() {
        let text = "CREATE TABLE s.t (a text); CREATE INDEX i ON s.t (a); ALTER TABLE s.t ADD CHECK (a > 0); GRANT SELECT ON s.u TO app;";
        assert_eq!(locks(text), []);
    }

    #[test]
    fn a_lock_is_held_to_the_end_and_the_longest_comes_first() {
        let text = "ALTER TABLE s.t ADD COLUMN a text; CREATE INDEX i ON s.u (a); CREATE INDEX j ON s.t (a); DROP TABLE s.v;";
        let found: Vec<String> = locks(text).iter().map(Lock::to_string).collect();
        assert_eq!(
            found,
            [
                "holds up reads and writes of s.t while every row is read",
                "holds up writes of s.u while every row is read",
                "holds up reads and writes of s.v for a moment",
            ]
        );
        assert!(locks(text)[0].is_long() && !locks(text)[2].is_long());
    }
}
