//! Whether a program and a schema go together, in both directions: what the program needs has run, and nothing has run that took away what it
//! uses.

use ddl::Release;
use sqlx::{AssertSqlSafe, PgExecutor, PgPool};

use super::{MigrateError, Migrations};

/// A migration that ran.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) checksum: String,
    /// Of a contract: the first release that does without what it took away.
    pub(super) oldest_program: Option<String>,
}

impl Ran {
    pub(super) fn has(ran: &[Self], name: &str) -> bool {
        ran.iter().any(|one| one.name == name)
    }
}

/// What has run in the schema. The list of a schema that an earlier migrator has made has no `oldest_program` yet.
pub(super) async fn ran(executor: impl PgExecutor<'_>, schema: &str) -> Result<Vec<Ran>, sqlx::Error> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT name, checksum, to_jsonb(m) ->> 'oldest_program'
         FROM {schema}.schema_migration AS m ORDER BY name"
    )))
    .fetch_all(executor)
    .await?;
    let ran = |(name, checksum, oldest_program)| Ran { name, checksum, oldest_program };
    Ok(rows.into_iter().map(ran).collect())
}

/// Refuses a schema from which a newer program has taken away what this one uses.
pub(super) fn not_too_old(schema: &str, ran: &[Ran]) -> Result<(), String> {
    let program = Release::current();
    for one in ran {
        if let Some(text) = one.oldest_program.as_deref().filter(|text| Release::parse(text).is_none()) {
            return Err(format!(
                "schema {schema} says of {} that it is for programs of {text:?} and later, which is not a release this program can read: run the program that has migrated it",
                one.name
            ));
        }
    }
    let needs =
        ran.iter().filter_map(|one| Some((Release::parse(one.oldest_program.as_deref()?)?, &one.name)));
    match needs.max() {
        Some((oldest, name)) if oldest > program => Err(format!(
            "schema {schema} is for programs of release {oldest} and later, since {name} has run; this program is {program}: run a newer one"
        )),
        _ => Ok(()),
    }
}

impl Migrations {
    /// Those that are not among what ran, in order. Others that this binary does not know are a newer one's.
    pub(super) fn missing<'a>(&'a self, ran: &'a [Ran]) -> impl Iterator<Item = &'static str> + 'a {
        self.all().map(|migration| migration.name).filter(|name| !Ran::has(ran, name))
    }

    /// What ran and this binary does not know.
    pub(super) fn unknown(&self, ran: &[Ran]) -> Vec<String> {
        let is_known = |name: &str| self.all().any(|migration| migration.name == name);
        ran.iter().filter(|one| !is_known(&one.name)).map(|one| one.name.clone()).collect()
    }

    /// Refuses a file whose content is not that of when it ran.
    pub(super) fn unchanged(&self, ran: &[Ran]) -> Result<(), MigrateError> {
        let changed = self.all().find(|migration| {
            ran.iter().any(|one| one.name == migration.name && one.checksum != migration.checksum())
        });
        changed.map_or(Ok(()), |migration| {
            Err(MigrateError::Changed { schema: self.schema, name: migration.name.to_owned() })
        })
    }
}

/// Whether the schema is there and this program fits it; the text says what is wrong and what to do.
pub(crate) async fn check(pool: &PgPool, migrations: &Migrations) -> Result<(), String> {
    let schema = migrations.schema;
    let ran = ran(pool, schema).await.map_err(|error| unread(schema, &error))?;
    fits(migrations, &ran)
}

/// Why the list of a schema cannot be read, with the causes: who reads it looks at the log of one program, and needs to know which side to mend.
fn unread(schema: &str, error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|e| e.code());
    let what = match (code.as_deref(), error) {
        (Some("42P01" | "3F000"), _) => {
            return format!("schema {schema} has not been migrated; run `globcrm migrate`");
        }
        (Some("28P01" | "28000"), _) => {
            "the database refuses the user of DATABASE_URL or its password: set what `globcrm migrate` has set, or run it again"
        }
        (Some("42501"), _) => {
            "the user of DATABASE_URL may not read the list of migrations; run `globcrm migrate`, which gives it that right"
        }
        (Some("3D000"), _) => "the database of DATABASE_URL is not there; run `globcrm migrate`",
        (_, sqlx::Error::Tls(_)) => "no TLS connection to the database",
        // A certificate that is refused while shaking hands.
        (_, sqlx::Error::Io(io)) if io.kind() == std::io::ErrorKind::InvalidData => {
            "no TLS connection to the database"
        }
        _ => "the database does not answer",
    };
    format!("{what} ({})", error::chain(error))
}

fn fits(migrations: &Migrations, ran: &[Ran]) -> Result<(), String> {
    let schema = migrations.schema;
    not_too_old(schema, ran)?;
    let mut missing = migrations.missing(ran);
    let Some(first) = missing.next() else { return Ok(()) };
    let others = match missing.count() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Err(format!("schema {schema} has no {first}{others}, which this program needs; run `globcrm migrate`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::{Migration, RECORD};

    const OWN: Migration = Migration { name: "0100_create_deals", up: "-- phase: expand\n", down: "" };
    const DEALS: Migrations = Migrations { schema: "deals", groups: &[RECORD], own: &[OWN] };

    fn all_ran() -> Vec<Ran> {
        let ran = |migration: &Migration| Ran {
            name: migration.name.to_owned(),
            checksum: migration.checksum(),
            oldest_program: None,
        };
        DEALS.all().map(ran).collect()
    }

    fn of_a_newer_program(oldest: &str) -> Ran {
        let oldest_program = Some(oldest.to_owned());
        Ran { name: "0101_drop_stage".to_owned(), checksum: String::new(), oldest_program }
    }

    #[test]
    fn a_template_that_did_not_run_is_missed_although_the_newest_did() {
        let mut ran = all_ran();
        assert_eq!(fits(&DEALS, &ran), Ok(()));
        ran.push(of_a_newer_program("0.0"));
        assert_eq!(fits(&DEALS, &ran), Ok(()));
        ran.retain(|one| one.name != "0052_create_change");
        assert!(fits(&DEALS, &ran).unwrap_err().contains("has no 0052_create_change, which"), "{ran:?}");
        ran.retain(|one| one.name != OWN.name);
        assert!(fits(&DEALS, &ran).unwrap_err().contains("0052_create_change and 1 more"), "{ran:?}");
    }

    #[test]
    fn a_schema_that_was_contracted_for_a_newer_program_is_refused() {
        let mut ran = all_ran();
        ran.push(of_a_newer_program("9.9"));
        let refusal = fits(&DEALS, &ran).unwrap_err();
        assert!(refusal.contains("release 9.9 and later, since 0101_drop_stage"), "{refusal}");
    }

    #[test]
    fn a_release_that_cannot_be_read_is_refused() {
        let mut ran = all_ran();
        ran.push(of_a_newer_program("next"));
        let refusal = fits(&DEALS, &ran).unwrap_err();
        assert!(refusal.contains("0101_drop_stage") && refusal.contains("\"next\""), "{refusal}");
    }

    #[test]
    fn why_a_list_is_not_read_says_which_side_to_mend() {
        let tls = sqlx::Error::Tls("self-signed".into());
        assert_eq!(unread("deals", &tls).split(" (").next(), Some("no TLS connection to the database"));
        let io = |kind, text| sqlx::Error::Io(std::io::Error::new(kind, text));
        let refused = io(std::io::ErrorKind::InvalidData, "UnknownIssuer");
        assert!(unread("deals", &refused).starts_with("no TLS connection"), "{refused}");
        let away = io(std::io::ErrorKind::ConnectionRefused, "nobody listens");
        let text = unread("deals", &away);
        assert!(
            text.starts_with("the database does not answer") && text.contains("nobody listens"),
            "{text}"
        );
    }

    #[test]
    fn a_changed_file_is_noticed_and_a_note_in_its_header_is_none() {
        let ran = all_ran();
        assert!(DEALS.unchanged(&ran).is_ok());
        let with = |up: &'static str| {
            let own = Vec::leak(vec![Migration { up, ..OWN }]);
            Migrations { own, ..DEALS }.unchanged(&ran).map_err(|error| error.to_string())
        };
        assert!(with("-- phase: expand\n-- allow: some-rule: for a good reason\n").is_ok());
        assert!(with("-- phase: expand\nSELECT 1;\n").unwrap_err().contains("0100_create_deals was changed"));
    }
}
