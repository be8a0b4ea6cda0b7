//! `globcrm demo`: two organisations with users, fields, companies, contacts, deals and activities, loaded as any client would load them.

mod activities;
mod deals;

use std::time::Duration;

use anyhow::{Context, bail};
use config::{Env, Reader, Section};
use serde_json::{Value, json};

/// Where the API is.
#[derive(Debug)]
pub(crate) struct DemoConfig {
    gateway_url: String,
}

impl Section for DemoConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let gateway_url = r.with_default(
            "GATEWAY_URL",
            "http://127.0.0.1:8080",
            "The API that `globcrm demo` loads data into",
        );
        Some(Self { gateway_url: gateway_url? })
    }
}

/// The password of every demo user. It is printed by `up` and good for a demo on one machine only.
const PASSWORD: &str = "globcrm-demo-2026";

struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// Loads the data; organisations that are there already are left as they are.
pub(crate) async fn run() -> anyhow::Result<()> {
    let own: DemoConfig = config::load(&Env::process(), "DEMO")?;
    for (organization, slug) in [("Acme Industries", "acme"), ("Globex Services", "globex")] {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let mut api = Api { http, base: own.gateway_url.clone(), token: None };
        if !sign_up(&mut api, organization, slug).await? {
            println!("{slug}: is there already");
            continue;
        }
        fields(&api).await?;
        let rep = representative(&api, slug).await?;
        let (companies, contacts) = records(&api, slug, &rep).await?;
        let deals = deals::load(&api, &rep, (&companies, &contacts)).await?;
        let activities = activities::load(&api, &rep, (&deals, &contacts)).await?;
        let contacts = contacts.len();
        println!(
            "{slug}: ada@{slug}.test and rep@{slug}.test, password {PASSWORD}; {contacts} contacts, {} deals, {activities} activities",
            deals.len()
        );
    }
    Ok(())
}

async fn sign_up(api: &mut Api, organization: &str, slug: &str) -> anyhow::Result<bool> {
    let body = json!({
        "organization": organization, "slug": slug, "email": format!("ada@{slug}.test"),
        "password": PASSWORD, "display_name": "Ada Admin",
    });
    let (status, answer) = api.post("/api/v1/signup", &body).await?;
    match (status, answer["reason"].as_str()) {
        (201, _) => {}
        (409, Some("SLUG_TAKEN")) => return Ok(false),
        _ => bail!("sign-up of {slug}: {status} {answer}"),
    }
    api.token = answer["access_token"].as_str().map(str::to_owned);
    Ok(true)
}

async fn fields(api: &Api) -> anyhow::Result<()> {
    let tiers = json!([{"key": "gold", "label": "Gold"}, {"key": "silver", "label": "Silver"}, {"key": "bronze", "label": "Bronze"}]);
    let definitions = [
        json!({"key": "tier", "label": "Tier", "type": "picklist", "indexed": true, "options": tiers,
               "description": "How much the customer buys"}),
        json!({"key": "seats", "label": "Seats", "type": "integer", "indexed": true, "description": "Licensed seats"}),
        json!({"key": "renewal_date", "label": "Renewal date", "type": "date", "indexed": true,
               "description": "When the contract ends"}),
        json!({"key": "budget", "label": "Budget", "type": "money", "indexed": true,
               "description": "What the customer can spend this year"}),
    ];
    for definition in definitions {
        api.create("/api/v1/objects/contact/fields", &definition).await?;
    }
    Ok(())
}

async fn representative(api: &Api, slug: &str) -> anyhow::Result<String> {
    let role = api
        .create(
            "/api/v1/roles",
            &json!({
                "name": "Sales rep",
                "permissions": [
                    {"object": "contact", "actions": ["create", "read", "update", "delete"], "scopes": ["own"]},
                    {"object": "company", "actions": ["read"], "scopes": ["all"]},
                    {"object": "deal", "actions": ["create", "read", "update", "delete"], "scopes": ["own"]},
                    {"object": "pipeline", "actions": ["read"], "scopes": ["all"]},
                    {"object": "activity", "actions": ["create", "read", "update", "delete"], "scopes": ["own"]},
                    {"object": "note", "actions": ["create", "read", "update", "delete"], "scopes": ["own"]},
                    {"object": "field", "actions": ["read"], "scopes": ["all"]},
                ],
                "fields": [{"object": "contact", "field": "custom.budget", "access": "none"}],
            }),
        )
        .await?;
    let user = api
        .create(
            "/api/v1/users",
            &json!({"email": format!("rep@{slug}.test"), "display_name": "Remy Rep", "role_ids": [role["id"]]}),
        )
        .await?;
    let token = user["invitation_token"].as_str().context("an invitation token")?;
    let body = json!({"token": token, "password": PASSWORD, "display_name": "Remy Rep"});
    let (status, answer) = api.post("/api/v1/invitations:accept", &body).await?;
    if status != 200 {
        bail!("accepting the invitation: {status} {answer}");
    }
    Ok(user["id"].as_str().context("the user's id")?.to_owned())
}

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
async fn records(api: &Api, slug: &str, rep: &str) -> anyhow::Result<(Vec<Value>, Vec<Value>)> {
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

impl Api {
    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let mut request = self.http.post(format!("{}{path}", self.base)).json(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| format!("POST {path}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.with_context(|| format!("the answer of POST {path}"))?))
    }

    /// A POST that must answer 201.
    async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(path, body, 201).await
    }

    /// A POST that must answer so.
    async fn send(&self, path: &str, body: &Value, wanted: u16) -> anyhow::Result<Value> {
        match self.post(path, body).await? {
            (status, answer) if status == wanted => Ok(answer),
            (status, answer) => bail!("POST {path}: {status} {answer}"),
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        answer
            .with_context(|| format!("GET {path}"))?
            .json()
            .await
            .with_context(|| format!("the answer of GET {path}"))
    }
}
