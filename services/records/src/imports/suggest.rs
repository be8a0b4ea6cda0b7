//! A mapping by the names of columns, in the languages that exports come in.

use auth::Context;
use error::Error;
use field_types::fold;
use proto::records::v1::ColumnMapping;

use super::mapping;
use crate::App;
use crate::contacts::CONTACT;

/// What columns are called, folded as [`fold`] does: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish.
const NAMES: [(&str, &[&str]); 14] = [
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
    (
        "phones.number",
        &[
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
        ],
    ),
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

/// The columns whose names are those of fields that the caller may write; each field once, the first column first.
pub(crate) async fn suggest(app: &App, cx: &Context, header: &[String]) -> Result<Vec<ColumnMapping>, Error> {
    let keys = std::iter::empty();
    let set = app.env.definitions.for_keys(cx, &CONTACT, keys).await?;
    let mask = set.mask(&CONTACT, cx.mask(CONTACT.name));
    let mut suggested: Vec<ColumnMapping> = Vec::new();
    for column in header.iter().filter(|column| !column.is_empty()) {
        let is_repeated = header.iter().filter(|other| *other == column).count() > 1;
        let name = fold(column);
        let plain = |text: &str| fold(&text.replace('_', " "));
        let standard =
            NAMES.iter().find(|(field, names)| plain(field) == name || names.contains(&name.as_str()));
        let of_key = || set.all().iter().find(|field| plain(&field.key) == plain(column));
        let field = match standard {
            Some((field, _)) => Some((*field).to_owned()),
            None => of_key().map(|field| format!("custom.{}", field.key)),
        };
        let Some(field) = field.filter(|field| !is_repeated && !suggested.iter().any(|s| s.field == *field))
        else {
            continue;
        };
        let entry = ColumnMapping { column: column.clone(), field };
        let (_, refused) = mapping::check(std::slice::from_ref(&entry), &set, &mask);
        // A column longer than a mapping takes cannot be named in one.
        if refused.is_empty() && entry.column.chars().count() <= 300 {
            suggested.push(entry);
        }
    }
    Ok(suggested)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_each_stands_for_one_field() {
        let mut seen = std::collections::BTreeSet::new();
        for (field, names) in NAMES {
            for name in names {
                assert_eq!(fold(name), *name, "of {field}");
                assert!(seen.insert(name), "{name} stands for two fields");
            }
        }
    }
}
