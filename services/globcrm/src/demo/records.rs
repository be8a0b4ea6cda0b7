//! The companies and contacts of a demo organisation.

use anyhow::Context;
use serde_json::{Value, json};

use super::api::Api;

const FIRST: [&str; 10] =
    ["Zoë", "José", "Anaïs", "Jürgen", "Marie", "Seán", "Inês", "Søren", "Amara", "Kenji"];
const LAST: [&str; 12] = [
    "Ångström",
    "Meyer",
    "García",
    "Smith",
    "Nuñez",
    "Lefèvre",
    "Berg",
    "Okafor",
    "Tanaka",
    "Rossi",
    "Novák",
    "Silva",
];
const TITLES: [&str; 6] = ["CTO", "Head of Sales", "Buyer", "Managing Director", "IT Manager", "CFO"];
const TIERS: [&str; 3] = ["gold", "silver", "bronze"];
const INDUSTRIES: [&str; 4] = ["software", "energy", "food", "finance"];
const STAGES: [&str; 3] = ["lead", "qualified", "customer"];
const TAGS: [&str; 3] = ["vip", "newsletter", "partner"];
const COMPANIES: [&str; 8] = [
    "Northwind",
    "Contour Labs",
    "Blue Harbour",
    "Fjord Energy",
    "Alpine Foods",
    "Meridian Bank",
    "Papaya Games",
    "Solaris",
];

/// Makes companies and contacts; gives the ids of both.
pub(super) async fn load(api: &mut Api, rep: &str) -> anyhow::Result<(Vec<Value>, Vec<Value>)> {
    let slug = api.slug();
    let mut companies = Vec::new();
    for (i, name) in COMPANIES.iter().enumerate() {
        let domain = format!("{}.example", name.to_lowercase().replace(' ', "-"));
        let body = json!({
            "name": name, "domains": [domain], "industry": INDUSTRIES[i % INDUSTRIES.len()],
            "employee_count": 20 * (i + 1) * (i + 1), "annual_revenue": {"amount_minor": 100_000_000_u64 * (i as u64 + 1), "currency": "EUR"},
        });
        companies.push(api.create("/api/v1/companies", &body).await?["id"].clone());
    }
    let mut contacts = Vec::new();
    for (i, first) in FIRST.iter().enumerate() {
        for (j, last) in LAST.iter().enumerate() {
            let n = i * LAST.len() + j;
            let mut custom = json!({"tier": TIERS[n % 3], "seats": 5 + n * 3});
            if !n.is_multiple_of(4) {
                custom["renewal_date"] = json!(format!("2027-{:02}-{:02}", 1 + n % 12, 1 + n % 28));
            }
            if !n.is_multiple_of(3) {
                custom["budget"] = json!({"amount_minor": 100_000 + n * 2_500, "currency": "EUR"});
            }
            let mut body = json!({
                "first_name": first, "last_name": last, "job_title": TITLES[n % 6],
                "emails": [{"address": format!("contact{n}@{slug}.example"), "kind": "work", "is_primary": true}],
                "lifecycle": STAGES[n % 3], "tags": [TAGS[n % 3]],
                "custom": custom,
            });
            if n.is_multiple_of(5) {
                body["owner_id"] = json!(rep);
            }
            let contact = api.create("/api/v1/contacts", &body).await?;
            let id = contact["id"].as_str().context("the contact's id")?;
            let link = json!({"company_id": companies[n % companies.len()], "is_primary": true});
            api.create(&format!("/api/v1/contacts/{id}/companies"), &link).await?;
            contacts.push(contact["id"].clone());
        }
    }
    Ok((companies, contacts))
}
