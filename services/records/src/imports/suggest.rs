//! A mapping by the names of columns, in the languages that exports come in.

use auth::Context;
use error::Error;
use field_types::fold;
use proto::records::v1::ColumnMapping;

use super::importable::Importable;
use super::mapping::{self, Masks};
use crate::{App, companies};

/// Characters of a column that a mapping takes (`ColumnMapping.column`).
const MAX_COLUMN: usize = 300;

/// A field, and what columns of it are called, folded as [`fold`] does: English, German, French, Spanish, Italian, Portuguese, Dutch,
/// Polish.
type Names = (&'static str, &'static [&'static str]);

/// What columns of phone numbers are called.
const PHONE: &[&str] = &[
    "phone",
    "phone number",
    "telephone",
    "tel",
    "tel.",
    "mobile",
    "mobile phone",
    "phone 1 - value",
    "telefon",
    "telefonnummer",
    "handy",
    "mobil",
    "telefono",
    "telefone",
    "telefoon",
    "numero de telephone",
];

/// Columns of companies.
const COMPANY: [Names; 6] = [
    (
        "name",
        &[
            "name",
            "company",
            "company name",
            "account",
            "account name",
            "organization",
            "organisation",
            "firma",
            "firmenname",
            "unternehmen",
            "nom",
            "societe",
            "entreprise",
            "raison sociale",
            "empresa",
            "nombre",
            "azienda",
            "ragione sociale",
            "bedrijf",
            "bedrijfsnaam",
            "nazwa firmy",
        ],
    ),
    ("domains", &["domain", "domains", "company domain", "company domain name", "domaine", "dominio"]),
    ("phones.number", PHONE),
    ("industry", &["industry", "branche", "sector", "secteur", "settore", "setor", "branza"]),
    (
        "employee_count",
        &[
            "employees",
            "number of employees",
            "mitarbeiter",
            "mitarbeiterzahl",
            "effectif",
            "empleados",
            "dipendenti",
        ],
    ),
    (
        "tax_id",
        &[
            "tax id",
            "vat",
            "vat id",
            "vat number",
            "ust-id",
            "ust-idnr.",
            "umsatzsteuer-id",
            "nif",
            "partita iva",
            "nip",
        ],
    ),
];

/// Columns of contacts.
const CONTACT: [Names; 14] = [
    (
        "first_name",
        &[
            "first name",
            "firstname",
            "first",
            "given name",
            "forename",
            "vorname",
            "prenom",
            "nombre",
            "nome",
            "voornaam",
            "imie",
        ],
    ),
    (
        "last_name",
        &[
            "last name",
            "lastname",
            "last",
            "surname",
            "family name",
            "nachname",
            "familienname",
            "name",
            "nom",
            "nom de famille",
            "apellido",
            "apellidos",
            "cognome",
            "sobrenome",
            "apelido",
            "achternaam",
            "nazwisko",
        ],
    ),
    (
        "emails.address",
        &[
            "e-mail",
            "email",
            "mail",
            "email address",
            "e-mail address",
            "e-mail-adresse",
            "emailadresse",
            "e-mail 1 - value",
            "courriel",
            "adresse e-mail",
            "correo",
            "correo electronico",
            "posta elettronica",
            "e-mailadres",
        ],
    ),
    ("phones.number", PHONE),
    (
        "job_title",
        &[
            "job title",
            "title",
            "position",
            "role",
            "berufsbezeichnung",
            "funktion",
            "poste",
            "fonction",
            "cargo",
            "puesto",
            "functie",
            "stanowisko",
        ],
    ),
    ("department", &["department", "abteilung", "departement", "departamento", "reparto", "afdeling"]),
    ("language", &["language", "sprache", "langue", "idioma", "lingua", "taal", "jezyk"]),
    ("timezone", &["timezone", "time zone", "zeitzone", "fuseau horaire", "zona horaria"]),
    (
        "birthday",
        &[
            "birthday",
            "date of birth",
            "birth date",
            "birthdate",
            "geburtstag",
            "geburtsdatum",
            "date de naissance",
            "fecha de nacimiento",
            "data di nascita",
            "data de nascimento",
            "geboortedatum",
            "data urodzenia",
        ],
    ),
    ("lifecycle", &["lifecycle", "lifecycle stage", "stage"]),
    ("lead_source", &["lead source", "source", "quelle", "herkunft", "origine", "origen", "bron"]),
    ("score", &["score", "lead score"]),
    ("do_not_call", &["do not call", "nicht anrufen"]),
    ("do_not_email", &["do not email", "do not e-mail"]),
];

/// What columns of an object are called.
fn names(importable: &Importable) -> &'static [Names] {
    match importable.object.name {
        "company" => &COMPANY,
        _ => &CONTACT,
    }
}

/// The columns whose names are those of fields that the caller may write; each field once, the first column first.
pub(crate) async fn suggest(
    app: &App,
    cx: &Context,
    importable: &'static Importable,
    header: &[String],
) -> Result<Vec<ColumnMapping>, Error> {
    let object = importable.object;
    let set = app.env.definitions.for_keys(cx, object, std::iter::empty()).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let masks = Masks { object: &mask, company: cx.mask(companies::COMPANY.name) };
    let mut suggested: Vec<ColumnMapping> = Vec::new();
    let keys: Vec<(String, &str)> = set.all().iter().map(|f| (plain(&f.key), f.key.as_str())).collect();
    // A column longer than a mapping takes cannot be named in one.
    let can_be_named = |column: &&String| !column.is_empty() && column.chars().nth(MAX_COLUMN).is_none();
    for column in header.iter().filter(can_be_named) {
        let is_repeated = header.iter().filter(|other| *other == column).count() > 1;
        let field = standard(importable, column).or_else(|| {
            let name = plain(column);
            keys.iter().find(|(key, _)| *key == name).map(|(_, key)| format!("custom.{key}"))
        });
        let Some(field) = field.filter(|field| !is_repeated && !suggested.iter().any(|s| s.field == *field))
        else {
            continue;
        };
        let entry = ColumnMapping { column: column.clone(), field };
        let (_, refused) = mapping::check(importable, std::slice::from_ref(&entry), &set, masks);
        if refused.is_empty() {
            suggested.push(entry);
        }
    }
    Ok(suggested)
}

/// The standard field of which columns are called so, in words or by its own name.
fn standard(importable: &Importable, column: &str) -> Option<String> {
    let name = fold(column);
    let known = names(importable).iter().find(|(_, names)| names.contains(&name.as_str()));
    let own = || {
        let values = importable.values.iter().map(|(field, _)| *field);
        let fields = values.chain(importable.texts.iter().map(|texts| texts.field));
        // Of a list of entries, the part by which it is known.
        let parts = names(importable).iter().map(|(field, _)| *field);
        let name = plain(column);
        fields.chain(parts).find(|field| plain(field) == name)
    };
    known.map(|(field, _)| *field).or_else(own).map(str::to_owned)
}

fn plain(text: &str) -> String {
    fold(&text.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companies::import::COMPANIES;
    use crate::contacts::import::CONTACTS;
    use crate::imports::mapping;
    use auth::FieldMask;
    use record::definitions::FieldSet;

    #[test]
    fn names_are_folded_and_each_stands_for_one_field_that_can_be_mapped() {
        for importable in [&CONTACTS, &COMPANIES] {
            let mut seen = std::collections::BTreeSet::new();
            for (field, names) in names(importable) {
                for name in *names {
                    assert_eq!(fold(name), *name, "of {field}");
                    assert!(seen.insert(name), "{name} stands for two fields");
                }
                let entry = ColumnMapping { column: "c".to_owned(), field: (*field).to_owned() };
                let open = FieldMask::default();
                let masks = Masks { object: &open, company: &open };
                let (columns, _) = mapping::check(importable, &[entry], &FieldSet::default(), masks);
                assert_eq!(columns.len(), 1, "{field}");
            }
        }
    }

    #[test]
    fn a_column_is_taken_by_its_name_in_a_language_or_by_that_of_its_field() {
        let of = |importable, column| standard(importable, column);
        let cases = [
            ("Nachname", Some("last_name"), None),
            ("Name", Some("last_name"), Some("name")),
            ("Firma", None, Some("name")),
            ("Legal name", None, Some("legal_name")),
            ("tags", Some("tags"), Some("tags")),
            ("Mitarbeiter", None, Some("employee_count")),
            ("Tel.", Some("phones.number"), Some("phones.number")),
            ("emails.address", Some("emails.address"), None),
        ];
        for (column, contact, company) in cases {
            assert_eq!(of(&CONTACTS, column).as_deref(), contact, "{column}");
            assert_eq!(of(&COMPANIES, column).as_deref(), company, "{column}");
        }
    }
}
