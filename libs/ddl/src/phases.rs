//! What a migration of each phase must not do to programs that run.

use std::collections::BTreeSet;

use crate::{Header, Phase, Release, Statement, statements};

/// A statement that its phase does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The line.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

/// What breaks the rules of the file's phase, for a tree of this release. An unreadable header is the one breach.
pub fn breaches(text: &str, tree: Release) -> Vec<Breach> {
    let header = match Header::of(text) {
        Ok(header) => header,
        Err(error) => return vec![Breach { line: 1, what: error.to_string() }],
    };
    let statements = statements(text);
    let mut found = Vec::new();
    let mut breach = |line: usize, what: String| found.push(Breach { line, what });
    if let Some(after) = header.after
        && after >= tree
    {
        breach(
            1,
            format!(
                "this tree is {tree}: a contract comes in a later release than {after}, whose program is the first without what it takes away"
            ),
        );
    }
    if header.is_alone && (statements.len() != 1 || !statements.iter().all(is_repeatable)) {
        breach(1, "`-- transaction: none` is for one statement that can be repeated: CREATE INDEX CONCURRENTLY IF NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS".to_owned());
    }
    let made = made(&statements);
    for statement in &statements {
        let wrong = everywhere(statement, header.is_alone).or_else(|| match header.phase {
            Phase::Expand => expand(statement, &made),
            Phase::Backfill => backfill(statement),
            Phase::Contract => None,
        });
        if let Some(what) = wrong {
            breach(statement.line, what);
        }
    }
    found
}

/// What has a name and is made in the file. A policy, a trigger and a constraint are `name on table`. What is made only `IF NOT EXISTS` may have
/// been there before.
pub(crate) fn made(statements: &[Statement]) -> BTreeSet<String> {
    let kinds = [
        "table",
        "index",
        "function",
        "policy",
        "trigger",
        "sequence",
        "view",
        "type",
        "schema",
        "procedure",
    ];
    let mut made = BTreeSet::new();
    for statement in statements {
        if statement.words.first().is_some_and(|word| word == "create") {
            let kind = statement.words.iter().take(5).find(|word| kinds.contains(&word.as_str()));
            let named = kind.and_then(|kind| Some((kind, statement.named_after(kind)?)));
            let is_new = !statement.words.windows(3).any(|row| row == ["if", "not", "exists"]);
            if let Some((kind, name)) = named.filter(|_| is_new) {
                made.insert(whole_name(kind, name, statement.named_after("on")));
            }
        }
        if let Some((table, clauses)) = statement.alterations() {
            for clause in clauses {
                if let [add, constraint, name, ..] = clause
                    && (add.as_str(), constraint.as_str()) == ("add", "constraint")
                {
                    made.insert(whole_name("constraint", name, Some(table)));
                }
            }
        }
    }
    made
}

/// A policy, a trigger and a constraint have their names within a table. An index is made without its schema, and dropped with it.
fn whole_name(kind: &str, name: &str, table: Option<&str>) -> String {
    match (kind, table) {
        ("policy" | "trigger" | "constraint", Some(table)) => format!("{name} on {table}"),
        ("index", _) => name.rsplit('.').next().unwrap_or(name).to_owned(),
        _ => name.to_owned(),
    }
}

fn is_repeatable(statement: &Statement) -> bool {
    statement.begins(&["create", "index", "concurrently", "if", "not", "exists"])
        || statement.begins(&["create", "unique", "index", "concurrently", "if", "not", "exists"])
        || statement.begins(&["drop", "index", "concurrently", "if", "exists"])
}

/// What no phase has.
fn everywhere(statement: &Statement, is_alone: bool) -> Option<String> {
    let first = statement.words.first().map_or("", String::as_str);
    let why = match first {
        "truncate" => "rows are never taken away by a migration",
        "do" => {
            "what a DO block does cannot be read here: write the statements, or a function that a job calls"
        }
        "vacuum" | "cluster" | "reindex" | "lock" => {
            "it keeps others waiting for as long as it runs: work for an operator, not for a migration"
        }
        "begin" | "commit" | "rollback" | "start" | "savepoint" => {
            "the migrator has a transaction for each file"
        }
        "set" | "reset" | "discard" => {
            "the migrator sets role and timeouts, and a file keeps to them: settings of a function stand in its CREATE"
        }
        _ if statement.has("concurrently") && !is_alone => "CONCURRENTLY needs `-- transaction: none`",
        _ => return None,
    };
    Some(format!("{}: {why}", first.to_uppercase()))
}

fn backfill(statement: &Statement) -> Option<String> {
    let first = statement.words.first().map_or("", String::as_str);
    let is_row_work = ["insert", "update", "delete", "with", "select"].contains(&first);
    (!is_row_work).then(|| format!("{}: a backfill changes rows and nothing else", first.to_uppercase()))
}

/// What an expand begins with; each has rules of its own below.
const OF_EXPANDS: [&str; 8] = ["create", "alter", "drop", "grant", "revoke", "comment", "insert", "select"];

/// Functions of the templates that only make something: an expand may call them, and those that it makes itself.
const MAKERS: [&str; 4] = ["protect", "record_table", "outbox_maintain", "inbox_maintain"];

/// What may be dropped where the same file makes it again: nobody sees it gone, and it keeps nothing that would be lost.
const MADE_AGAIN: [&str; 6] = ["policy", "trigger", "function", "procedure", "index", "view"];

fn expand(statement: &Statement, made: &BTreeSet<String>) -> Option<String> {
    let contract = "takes away what the running program may use: a contract of a later release";
    let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["update" | "delete" | "merge", ..] => {
            Some(format!("{}: rows are changed by a job, or in a backfill", words[0].to_uppercase()))
        }
        ["insert", ..] if ["update", "delete", "merge"].iter().any(|word| words.contains(word)) => {
            Some("INSERT: it also changes rows that are there: by a job, or in a backfill".to_owned())
        }
        ["select", ..] => called(&words).find(|name| !is_maker(name) && !made.contains(*name)).map(|name| {
            format!(
                "SELECT: what {name} does cannot be read here: a file calls {} or what it makes itself",
                MAKERS.join(", ")
            )
        }),
        ["drop", kind, ..] => {
            let kind = if *kind == "materialized" { "view" } else { kind };
            let at = words.iter().position(|word| *word == kind)?;
            let is_shared = ["policy", "trigger"].contains(&kind);
            let end = words.iter().position(|word| is_shared && *word == "on").unwrap_or(words.len());
            if words.last() == Some(&"cascade") {
                return Some(format!("DROP {} … CASCADE takes away more than it names", kind.to_uppercase()));
            }
            let gone = named(words.get(at + 1..end)?).into_iter().find(|name| {
                let whole = whole_name(kind, name, statement.named_after("on"));
                !MADE_AGAIN.contains(&kind) || !made.contains(&whole)
            })?;
            Some(format!("DROP {} {gone} {contract}", kind.to_uppercase()))
        }
        ["revoke", ..] => {
            let on = words.iter().position(|word| *word == "on")?;
            let from = words.iter().rposition(|word| *word == "from")?;
            let taken = named(words.get(on + 1..from)?).into_iter().find(|name| !made.contains(*name))?;
            Some(format!("REVOKE … ON {taken} {contract}"))
        }
        ["alter", "table", ..] => {
            let (table, clauses) = statement.alterations()?;
            if made.contains(table) {
                return None;
            }
            clauses
                .into_iter()
                .find_map(|clause| alteration(table, clause, made))
                .map(|what| format!("{table}: {what} {contract}"))
        }
        ["alter", kind, ..] if words.contains(&"rename") || words.contains(&"attribute") => {
            Some(format!("ALTER {} … RENAME {contract}", kind.to_uppercase()))
        }
        ["alter", kind, ..] if has(&words, &["set", "schema"]) => {
            Some(format!("ALTER {} … SET SCHEMA {contract}", kind.to_uppercase()))
        }
        [first, ..] if !OF_EXPANDS.contains(first) => Some(format!(
            "{}: an expand only makes things; these are its statements: {}",
            first.to_uppercase(),
            OF_EXPANDS.join(", ")
        )),
        _ => None,
    }
}

/// The names of what is called: the words before brackets, but for those of SQL itself.
fn called<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let of_sql = ["select", "from", "in", "values", "as", "and", "or", "not", "exists", "on", "where", ","];
    words
        .windows(2)
        .filter(move |pair| pair[1] == "(" && !of_sql.contains(&pair[0]) && pair[0] != "(")
        .map(|pair| pair[0])
}

fn is_maker(name: &str) -> bool {
    MAKERS.contains(&name.rsplit('.').next().unwrap_or(name))
}

/// The names of a list, without what their kind is and without the types of functions' arguments.
fn named<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut depth = 0usize;
    let mut names = Vec::new();
    for word in words {
        match *word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "," | "table" | "function" | "sequence" | "schema" | "if" | "exists" | "concurrently"
            | "restrict" | "cascade" => {}
            name if depth == 0 => names.push(name),
            _ => {}
        }
    }
    names
}

/// What a clause of `ALTER TABLE` takes away.
fn alteration(table: &str, clause: &[String], made: &BTreeSet<String>) -> Option<String> {
    let words: Vec<&str> = clause.iter().map(String::as_str).filter(|word| *word != "column").collect();
    let says = |what: String| Some(what);
    match words.as_slice() {
        ["drop", "constraint", rest @ ..] => {
            let name = rest.iter().find(|word| !["if", "exists"].contains(*word))?;
            let is_made = made.contains(&whole_name("constraint", name, Some(table)));
            (!is_made).then(|| format!("DROP CONSTRAINT {name}"))
        }
        ["drop", rest @ ..] => {
            let name = rest.iter().find(|word| !["if", "exists"].contains(*word))?;
            says(format!("DROP COLUMN {name}"))
        }
        ["rename", ..] => says("RENAME".to_owned()),
        ["set", "schema", ..] => says("SET SCHEMA".to_owned()),
        ["detach", ..] => says("DETACH PARTITION".to_owned()),
        ["disable", what, ..] => says(format!("DISABLE {}", what.to_uppercase())),
        ["no", what, ..] => says(format!("NO {}", what.to_uppercase())),
        ["alter", name, "type" | "set", rest @ ..] if words[2] == "type" || rest.first() == Some(&"data") => {
            says(format!("ALTER COLUMN {name} TYPE"))
        }
        ["alter", name, "set", "not", ..] => says(format!("ALTER COLUMN {name} SET NOT NULL")),
        ["alter", name, "drop", "default"] => says(format!("ALTER COLUMN {name} DROP DEFAULT")),
        ["add", "constraint" | "check" | "foreign" | "unique" | "primary" | "exclude", ..] => None,
        ["add", name, ..]
            if has(&words, &["not", "null"])
                && !words.contains(&"default")
                && !words.contains(&"generated") =>
        {
            says(format!("ADD COLUMN {name} NOT NULL without a default"))
        }
        _ => None,
    }
}

fn has(words: &[&str], row: &[&str]) -> bool {
    words.windows(row.len()).any(|window| window == row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Release::parse("0.4").unwrap();
        breaches(text, tree).into_iter().map(|breach| format!("{}: {}", breach.line, breach.what)).collect()
    }

    #[test]
    fn an_expand_takes_nothing_away() {
        for (statement, what) in [
            ("DROP TABLE s.t;", "DROP TABLE s.t"),
            ("DROP INDEX s.i;", "DROP INDEX s.i"),
            ("DROP FUNCTION IF EXISTS s.f(text);", "DROP FUNCTION s.f"),
            ("DROP TRIGGER x ON s.t;", "DROP TRIGGER x"),
            ("ALTER TABLE s.t DROP COLUMN a;", "DROP COLUMN a"),
            ("ALTER TABLE s.t ADD COLUMN b text, DROP a;", "DROP COLUMN a"),
            ("ALTER TABLE s.t DROP CONSTRAINT c;", "DROP CONSTRAINT c"),
            ("ALTER TABLE s.t RENAME COLUMN a TO b;", "RENAME"),
            ("ALTER TABLE s.t RENAME TO u;", "RENAME"),
            ("ALTER INDEX s.i RENAME TO j;", "RENAME"),
            ("ALTER TABLE s.t ALTER COLUMN a TYPE bigint;", "ALTER COLUMN a TYPE"),
            ("ALTER TABLE s.t ALTER a SET DATA TYPE bigint;", "ALTER COLUMN a TYPE"),
            ("ALTER TABLE s.t ALTER COLUMN a SET NOT NULL;", "SET NOT NULL"),
            ("ALTER TABLE s.t ALTER COLUMN a DROP DEFAULT;", "DROP DEFAULT"),
            ("ALTER TABLE s.t ADD COLUMN a text NOT NULL;", "NOT NULL without a default"),
            ("ALTER TABLE s.t DETACH PARTITION s.p;", "DETACH"),
            ("ALTER TABLE s.t SET SCHEMA other;", "SET SCHEMA"),
            ("ALTER FUNCTION s.f() SET SCHEMA other;", "SET SCHEMA"),
            ("ALTER TABLE s.t DISABLE ROW LEVEL SECURITY;", "DISABLE ROW"),
            ("ALTER TABLE s.t NO FORCE ROW LEVEL SECURITY;", "NO FORCE"),
            ("ALTER TABLE s.t DISABLE TRIGGER g;", "DISABLE TRIGGER"),
            ("SELECT s.drop_record_table('t');", "SELECT: what s.drop_record_table does"),
            ("SELECT 1 FROM (SELECT s.g(1)) AS x;", "SELECT: what s.g does"),
            ("WITH gone AS (DELETE FROM s.t RETURNING *) SELECT 1;", "WITH: an expand"),
            ("MERGE INTO s.t USING s.u ON true WHEN MATCHED THEN DELETE;", "MERGE: rows"),
            ("CALL s.p();", "CALL: an expand"),
            ("EXECUTE prepared;", "EXECUTE: an expand"),
            ("COPY s.t FROM '/tmp/x';", "COPY: an expand"),
            ("INSERT INTO s.t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2;", "INSERT: it also changes"),
            (
                "INSERT INTO s.t WITH gone AS (DELETE FROM s.u RETURNING *) SELECT * FROM gone;",
                "INSERT: it also changes",
            ),
            ("DROP FUNCTION s.f(text) CASCADE;", "CASCADE takes away"),
            ("SET LOCAL lock_timeout = 0;", "SET: the migrator"),
            ("RESET ROLE;", "RESET: the migrator"),
            ("SET ROLE other;", "SET: the migrator"),
            ("DISCARD ALL;", "DISCARD: the migrator"),
            ("REVOKE SELECT ON s.t FROM app;", "REVOKE … ON s.t"),
            ("UPDATE s.t SET a = 1;", "UPDATE: rows"),
            ("DELETE FROM s.t;", "DELETE: rows"),
            ("TRUNCATE s.t;", "TRUNCATE"),
            ("DO $$ BEGIN DROP TABLE s.t; END $$;", "DO: "),
            ("LOCK TABLE s.t;", "LOCK: "),
            ("COMMIT;", "COMMIT: "),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t (a);", "transaction: none"),
        ] {
            let all = found(&format!("-- phase: expand\n{statement}\n"));
            assert!(
                all.len() == 1 && all[0].starts_with("2: ") && all[0].contains(what),
                "{statement}: {all:?}"
            );
        }
    }

    #[test]
    fn only_what_keeps_nothing_is_dropped_and_made_again() {
        for (text, what) in [
            ("DROP TABLE s.t; CREATE TABLE s.t (a text);", "DROP TABLE s.t"),
            ("DROP SEQUENCE s.n; CREATE SEQUENCE s.n;", "DROP SEQUENCE s.n"),
            ("CREATE TABLE s.mine (a text); DROP TABLE s.mine, s.theirs;", "DROP TABLE s.mine"),
            ("DROP INDEX s.i, s.j; CREATE INDEX i ON s.t (a);", "DROP INDEX s.j"),
            (
                "DROP FUNCTION s.f(text, int), s.g(); CREATE FUNCTION s.f(a text) RETURNS int AS ''",
                "DROP FUNCTION s.g",
            ),
            ("DROP POLICY p ON s.t; CREATE POLICY p ON s.u USING (true);", "DROP POLICY p"),
            (
                "DROP TRIGGER g ON s.t; CREATE TRIGGER g AFTER UPDATE ON s.u EXECUTE FUNCTION s.f();",
                "DROP TRIGGER g",
            ),
            (
                "ALTER TABLE s.t DROP CONSTRAINT c; ALTER TABLE s.u ADD CONSTRAINT c CHECK (a > 0);",
                "DROP CONSTRAINT c",
            ),
            ("CREATE TABLE IF NOT EXISTS s.t (a text); ALTER TABLE s.t DROP COLUMN a;", "DROP COLUMN a"),
            ("CREATE INDEX IF NOT EXISTS i ON s.t (a); DROP INDEX i;", "DROP INDEX i"),
        ] {
            let all = found(&format!("-- phase: expand\n{text}\n"));
            assert!(all.len() == 1 && all[0].contains(what), "{text}: {all:?}");
        }
    }

    #[test]
    fn an_expand_adds_and_makes_anew() {
        let text = "-- phase: expand
            CREATE TABLE s.t (tenant_id uuid NOT NULL, a text);
            ALTER TABLE s.t ALTER COLUMN a SET NOT NULL;
            REVOKE UPDATE, DELETE ON s.t FROM app;
            CREATE FUNCTION s.f(a text) RETURNS void LANGUAGE sql AS $$ DELETE FROM s.t $$;
            REVOKE ALL ON FUNCTION s.f(text) FROM PUBLIC;
            ALTER TABLE s.old DROP CONSTRAINT kinds, ADD CONSTRAINT kinds CHECK (kind IN ('a', 'b'));
            ALTER TABLE s.old ADD COLUMN b text COLLATE \"C\", ADD COLUMN c boolean NOT NULL DEFAULT false, ALTER COLUMN d DROP NOT NULL;
            DROP POLICY p ON s.old;
            CREATE POLICY p ON s.old FOR DELETE TO worker USING (true);
            CREATE TRIGGER g AFTER UPDATE ON s.old FOR EACH ROW EXECUTE FUNCTION s.f();
            DROP FUNCTION IF EXISTS s.h(text, int);
            CREATE FUNCTION s.h(a text) RETURNS void LANGUAGE sql SET search_path = s AS $$ SELECT 1 $$;
            DROP INDEX s.j;
            CREATE INDEX j ON s.old (b);
            SELECT s.protect('t', 0);
            SELECT s.h('t');
            SELECT s.record_table('t', 8, 'u');
            INSERT INTO s.t VALUES (1) ON CONFLICT DO NOTHING;
            CREATE INDEX i ON s.old (tenant_id) INCLUDE (b);";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn a_contract_comes_in_a_later_release_than_the_first_program_that_does_without() {
        let text =
            |after: &str| format!("-- phase: contract\n-- after: {after}\nALTER TABLE s.t DROP COLUMN a;");
        assert_eq!(found(&text("0.3")), [""; 0]);
        assert_eq!(found(&text("0.0")), [""; 0]);
        for early in ["0.4", "0.5", "1.0"] {
            assert!(found(&text(early))[0].contains("this tree is 0.4"), "{early}");
        }
        assert!(found("-- phase: contract\nDROP TABLE s.t;")[0].contains("a contract needs"));
        assert!(found("DROP TABLE s.t;")[0].contains("the first line"));
    }

    #[test]
    fn a_backfill_changes_rows_and_nothing_else() {
        assert_eq!(found("-- phase: backfill\nINSERT INTO s.t SELECT 1;\nUPDATE s.t SET a = 1;"), [""; 0]);
        assert!(found("-- phase: backfill\nCREATE TABLE s.t ();")[0].contains("CREATE: a backfill"));
    }

    #[test]
    fn what_runs_without_a_transaction_can_be_repeated() {
        let text = |statement: &str| format!("-- phase: expand\n-- transaction: none\n{statement}");
        assert_eq!(found(&text("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON s.t (a);")), [""; 0]);
        for wrong in ["CREATE INDEX CONCURRENTLY i ON s.t (a);", "CREATE TABLE s.t ();", ""] {
            assert!(found(&text(wrong))[0].contains("can be repeated"), "{wrong}");
        }
    }
}
