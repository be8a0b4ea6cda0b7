//! What columns of companies are called.

use imports::{Names, PHONE_COLUMNS};

/// Columns of companies.
pub(super) const COLUMNS: &[Names] = &[
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
    ("phones.number", PHONE_COLUMNS),
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
