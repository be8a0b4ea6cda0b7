//! Which locks a migration holds on tables that are there before it, and for how long. A table that the file makes has no users yet.
//!
//! After PostgreSQL's documentation of explicit locking, and of `ALTER TABLE` and `CREATE INDEX`. Where a clause is not known, a moment of the strongest lock is said.

use std::fmt;

use crate::phases::made;
use crate::{Statement, statements};

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

/// A lock as one statement takes it: the table, who waits and for how long the statement runs.
type Taken<'a> = (&'a str, Blocks, Lasts);

/// The strongest lock on each table that the file does not make, the longest first. Locks are held to the end of the file.
pub fn locks(text: &str) -> Vec<Lock> {
    let statements = statements(text);
    let made = made(&statements);
    let mut found: Vec<Lock> = Vec::new();
    for statement in &statements {
        let taken: Vec<Taken<'_>> =
            taken(statement).into_iter().filter(|(of, ..)| !made.contains(*of)).collect();
        let lasts = taken.iter().map(|(.., lasts)| *lasts).chain(works(statement)).max();
        for (of, blocks, lasts) in taken {
            match found.iter_mut().find(|lock| lock.of == of) {
                Some(known) => known.blocks = known.blocks.max(blocks),
                None => found.push(Lock { of: of.to_owned(), blocks, lasts }),
            }
        }
        // Held to the end of the file: what was locked before this statement waits for it, too.
        for held in &mut found {
            held.lasts = lasts.map_or(held.lasts, |lasts| held.lasts.max(lasts));
        }
    }
    found.sort_by_key(|lock| std::cmp::Reverse((lock.lasts, lock.blocks)));
    found
}

/// How long a statement works on rows that are there, where that is no lock of its own.
fn works(statement: &Statement) -> Option<Lasts> {
    (statement.begins(&["insert"]) && statement.has("select")).then_some(Lasts::Reading)
}

/// The locks of one statement.
fn taken(statement: &Statement) -> Vec<Taken<'_>> {
    let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create", "index", ..] | ["create", "unique", "index", ..] => {
            let (blocks, lasts) = if words.contains(&"concurrently") {
                (Blocks::Nobody, Lasts::Reading)
            } else if words.windows(2).any(|pair| pair == ["on", "only"]) {
                (Blocks::Writes, Lasts::Moment)
            } else {
                (Blocks::Writes, Lasts::Reading)
            };
            one(statement.named_after("on"), blocks, lasts)
        }
        ["alter", "table", ..] => {
            let Some((table, clauses)) = statement.alterations() else { return Vec::new() };
            let mut all: Vec<Taken<'_>> = Vec::new();
            let strongest = clauses
                .iter()
                .map(|clause| alteration(clause))
                .max_by_key(|(blocks, lasts)| (*lasts, *blocks));
            all.extend(strongest.map(|(blocks, lasts)| (table, blocks, lasts)));
            // A reference makes triggers on the other table, too.
            all.extend(clauses.into_iter().filter_map(|clause| {
                let at = clause.iter().position(|word| word == "references")?;
                let (_, lasts) = alteration(clause);
                Some((clause.get(at + 1)?.as_str(), Blocks::Writes, lasts))
            }));
            all
        }
        ["create", "table", ..] => {
            let partition = words.windows(2).position(|pair| pair == ["partition", "of"]);
            let parent = partition.and_then(|at| words.get(at + 2));
            let referenced = words.windows(2).filter(|pair| pair[0] == "references").map(|pair| pair[1]);
            let parent = parent.map(|parent| (*parent, Blocks::Everything, Lasts::Moment));
            parent.into_iter().chain(referenced.map(|of| (of, Blocks::Writes, Lasts::Moment))).collect()
        }
        ["create", "trigger", ..]
        | ["create", "constraint", "trigger", ..]
        | ["create", "or", "replace", "trigger", ..] => {
            one(statement.named_after("on"), Blocks::Writes, Lasts::Moment)
        }
        ["drop" | "alter", "trigger", ..] | ["create" | "drop" | "alter", "policy", ..] => {
            one(statement.named_after("on"), Blocks::Everything, Lasts::Moment)
        }
        ["drop", "index", ..] if words.contains(&"concurrently") => {
            one(statement.named_after("index"), Blocks::Nobody, Lasts::Moment)
        }
        ["drop", kind @ ("table" | "index"), ..] => {
            one(statement.named_after(kind), Blocks::Everything, Lasts::Moment)
        }
        // Those wait who write a row that was changed here.
        ["update" | "delete" | "merge" | "with" | "insert", ..] => {
            changed(&words).map(|of| (of, Blocks::Writes, Lasts::Rewriting)).collect()
        }
        _ => Vec::new(),
    }
}

fn one(of: Option<&str>, blocks: Blocks, lasts: Lasts) -> Vec<Taken<'_>> {
    of.map(|of| (of, blocks, lasts)).into_iter().collect()
}

/// The tables whose rows a statement changes: `UPDATE x`, `DELETE FROM x`, `MERGE INTO x`, also within a `WITH`.
fn changed<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let is_of_another =
        |before: Option<&&str>| before.is_some_and(|word| ["for", "do", "key", "then"].contains(word));
    words.iter().enumerate().filter_map(move |(at, word)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        let rest = match *word {
            "update" if !is_of_another(before) => words.get(at + 1..)?,
            "delete" if words.get(at + 1) == Some(&"from") => words.get(at + 2..)?,
            "merge" if words.get(at + 1) == Some(&"into") => words.get(at + 2..)?,
            _ => return None,
        };
        rest.iter().find(|word| **word != "only").copied()
    })
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
        ["add", ..] if has("generated") && (has("stored") || has("identity")) => {
            (Blocks::Everything, Lasts::Rewriting)
        }
        ["add", _, "smallserial" | "serial" | "bigserial" | "serial2" | "serial4" | "serial8", ..]
        | ["set", "logged" | "unlogged" | "access" | "tablespace", ..] => {
            (Blocks::Everything, Lasts::Rewriting)
        }
        ["add", ..] if is_computed(&words) => (Blocks::Everything, Lasts::Rewriting),
        // Without a default nothing refers to anything yet.
        ["add", ..] if has("references") && has("default") => (Blocks::Everything, Lasts::Reading),
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
            ("ALTER TABLE s.t ADD CONSTRAINT p PRIMARY KEY USING INDEX i", Everything, Moment),
            ("ALTER TABLE s.t VALIDATE CONSTRAINT c", Nobody, Reading),
            ("ALTER TABLE s.t ALTER COLUMN a TYPE bigint", Everything, Rewriting),
            ("ALTER TABLE s.t ALTER COLUMN a SET NOT NULL", Everything, Reading),
            ("ALTER TABLE s.t DROP COLUMN a", Everything, Moment),
            ("ALTER TABLE s.t ADD COLUMN a text, ADD CHECK (a > 0)", Everything, Reading),
            ("ALTER TABLE s.t ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY", Everything, Rewriting),
            ("ALTER TABLE s.t ADD COLUMN a bigserial", Everything, Rewriting),
            ("ALTER TABLE s.t SET UNLOGGED", Everything, Rewriting),
            ("ALTER TABLE s.t SET TABLESPACE fast", Everything, Rewriting),
            ("ALTER TABLE s.t SET ACCESS METHOD heap", Everything, Rewriting),
            ("ALTER TABLE s.t SET (fillfactor = 90)", Everything, Moment),
            ("CREATE TABLE s.p PARTITION OF s.t DEFAULT", Everything, Moment),
            ("CREATE TABLE s.u (a uuid REFERENCES s.t, b text)", Writes, Moment),
            ("UPDATE s.t SET a = 1", Writes, Rewriting),
            ("DELETE FROM ONLY s.t WHERE a = 1", Writes, Rewriting),
            ("WITH x AS (SELECT a FROM s.u FOR UPDATE) UPDATE s.t SET a = 1 FROM x", Writes, Rewriting),
            ("DROP TABLE s.t", Everything, Moment),
            ("DROP TRIGGER g ON s.t", Everything, Moment),
            ("CREATE OR REPLACE TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION s.f()", Writes, Moment),
            ("CREATE CONSTRAINT TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION s.f()", Writes, Moment),
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
    fn a_reference_locks_both_tables() {
        for (text, lasts) in [
            ("ALTER TABLE s.t ADD FOREIGN KEY (a) REFERENCES s.u", Lasts::Reading),
            ("ALTER TABLE s.t ADD FOREIGN KEY (a) REFERENCES s.u NOT VALID", Lasts::Moment),
        ] {
            let lock = |of: &str| Lock { of: of.to_owned(), blocks: Blocks::Writes, lasts };
            assert_eq!(locks(text), [lock("s.t"), lock("s.u")], "{text}");
        }
        let column = locks("ALTER TABLE s.t ADD COLUMN a uuid REFERENCES s.u (id)");
        assert!(column.iter().all(|lock| lock.lasts == Lasts::Moment) && column.len() == 2, "{column:?}");
    }

    #[test]
    fn a_lock_waits_for_the_rows_that_a_later_statement_reads() {
        let text = "ALTER TABLE s.t ADD COLUMN a text; CREATE TABLE s.n (a text); INSERT INTO s.n SELECT a FROM s.t;";
        let held = Lock { of: "s.t".to_owned(), blocks: Blocks::Everything, lasts: Lasts::Reading };
        assert_eq!(locks(text), [held]);
        assert_eq!(locks("INSERT INTO s.t VALUES (1) ON CONFLICT DO UPDATE SET a = 2"), []);
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
