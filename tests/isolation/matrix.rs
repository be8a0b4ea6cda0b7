//! The rows and the run.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::targets::{self, Target};
use crate::client::{Answer, Client};
use crate::stage::{Stage, Tenant};

/// How one RPC is called, and what its own caller gets.
pub(super) struct Row {
    pub(super) rpc: &'static str,
    verb: Method,
    /// `{id}` stands for the target.
    pub(super) path: &'static str,
    pub(super) target: Target,
    /// `{id}` and `{unique}` are filled in.
    body: Option<Value>,
    /// The status of the positive control.
    ok: u16,
    /// What a principal without any permission gets.
    without_permission: u16,
    /// What a foreign id gets; 0 where the RPC names no record.
    foreign: u16,
}

fn row(
    rpc: &'static str,
    verb: Method,
    path: &'static str,
    target: Target,
    body: Option<Value>,
    ok: u16,
) -> Row {
    let foreign = match target {
        Target::Nothing => 0,
        _ if path.contains("{id}") => 404,
        // The id stands in the body.
        _ => 422,
    };
    Row { rpc, verb, path, target, body, ok, without_permission: 403, foreign }
}

impl Row {
    /// Any authenticated principal may call it; what is not its own is not found.
    fn open(self, without_permission: u16) -> Self {
        Self { without_permission, ..self }
    }

    pub(super) fn public(&self) -> bool {
        self.without_permission == 0
    }
}

/// Every RPC with a REST path; [`every_rpc_has_its_rows`] compares with the descriptors.
pub(super) fn rows() -> Vec<Row> {
    use Target::*;
    let (get, post, patch, delete) = (|| Method::GET, || Method::POST, || Method::PATCH, || Method::DELETE);
    let none = || Some(json!({}));
    let mapping = json!([{"column": "Name", "field": "last_name"}]);
    let login =
        json!({"organization": "{slug}", "email": "admin@{slug}.test", "password": crate::stage::PASSWORD});
    let sign_up = json!({"organization": "X", "slug": "{unique}", "email": "x@{unique}.test",
                         "password": crate::stage::PASSWORD, "display_name": "X"});
    vec![
        // identity
        row("SignUp", post(), "/signup", Nothing, Some(sign_up), 201).open(0),
        row("Login", post(), "/auth/login", Nothing, Some(login), 200).open(0),
        row("Refresh", post(), "/auth/refresh", Nothing, Some(json!({"refresh_token": "{refresh}"})), 200)
            .open(0),
        row(
            "AcceptInvitation",
            post(),
            "/invitations:accept",
            Nothing,
            Some(json!({"token": "{invitation}", "password": crate::stage::PASSWORD})),
            200,
        )
        .open(0),
        row("ResendInvitation", post(), "/users/{id}:resend-invitation", User, none(), 200),
        row(
            "ChangePassword",
            post(),
            "/me:change-password",
            Nothing,
            Some(
                json!({"current_password": crate::stage::PASSWORD, "new_password": "{unique} is quite long"}),
            ),
            200,
        )
        .open(200),
        row("Logout", post(), "/auth/logout", Nothing, none(), 204).open(204),
        row("GetMe", get(), "/me", Nothing, None, 200).open(200),
        row("ListSessions", get(), "/me/sessions", Nothing, None, 200).open(200),
        row("DeleteSession", delete(), "/me/sessions/{id}", Session, None, 204).open(404),
        row(
            "CreateUser",
            post(),
            "/users",
            Role,
            Some(json!({"email": "{unique}@x.test", "display_name": "U", "role_ids": ["{id}"]})),
            201,
        ),
        row(
            "CreateUser",
            post(),
            "/users",
            Team,
            Some(json!({"email": "{unique}@x.test", "display_name": "U", "team_ids": ["{id}"]})),
            201,
        ),
        row(
            "CreateUser",
            post(),
            "/users",
            User,
            Some(json!({"email": "{unique}@x.test", "display_name": "U", "manager_id": "{id}"})),
            201,
        ),
        row("GetUser", get(), "/users/{id}", User, None, 200),
        row("ListUsers", get(), "/users", Nothing, None, 200),
        row("UpdateUser", patch(), "/users/{id}", User, Some(json!({"display_name": "New"})), 200),
        row("DisableUser", post(), "/users/{id}:disable", User, none(), 200),
        row("EnableUser", post(), "/users/{id}:enable", DisabledUser, none(), 200),
        row(
            "CreateTeam",
            post(),
            "/teams",
            Team,
            Some(json!({"name": "{unique}", "parent_id": "{id}"})),
            201,
        ),
        row("GetTeam", get(), "/teams/{id}", Team, None, 200),
        row("ListTeams", get(), "/teams", Nothing, None, 200),
        row(
            "CreateRole",
            post(),
            "/roles",
            Nothing,
            Some(json!({"name": "{unique}", "permissions": [], "fields": []})),
            201,
        ),
        row("GetRole", get(), "/roles/{id}", Role, None, 200),
        row("ListRoles", get(), "/roles", Nothing, None, 200),
        row("UpdateRole", patch(), "/roles/{id}", Role, Some(json!({"name": "{unique}"})), 200),
        row("DeleteRole", delete(), "/roles/{id}", Role, None, 204),
        row(
            "CreateApiKey",
            post(),
            "/api-keys",
            Nothing,
            Some(json!({"name": "{unique}", "scopes": ["contact.read"]})),
            201,
        ),
        row("ListApiKeys", get(), "/api-keys", Nothing, None, 200),
        row("DeleteApiKey", delete(), "/api-keys/{id}", ApiKey, None, 204),
        // fields
        row(
            "CreateField",
            post(),
            "/objects/contact/fields",
            Nothing,
            Some(json!({"key": "{key}", "label": "{unique}", "type": "text"})),
            201,
        ),
        row("GetField", get(), "/objects/contact/fields/{id}", Field, None, 200),
        row("ListFields", get(), "/objects/contact/fields", Nothing, None, 200),
        row(
            "UpdateField",
            patch(),
            "/objects/contact/fields/{id}",
            Field,
            Some(json!({"label": "{unique}"})),
            200,
        ),
        row("DeprecateField", post(), "/objects/contact/fields/{id}:deprecate", Field, none(), 200),
        row("ArchiveField", post(), "/objects/contact/fields/{id}:archive", Field, none(), 200),
        row("RestoreField", post(), "/objects/contact/fields/{id}:restore", ArchivedField, none(), 200),
        row("GetLimits", get(), "/limits", Nothing, None, 200),
        // records
        row(
            "CreateContact",
            post(),
            "/contacts",
            User,
            Some(json!({"last_name": "{unique}", "owner_id": "{id}"})),
            201,
        ),
        row(
            "CreateContact",
            post(),
            "/contacts",
            Team,
            Some(json!({"last_name": "{unique}", "team_id": "{id}"})),
            201,
        ),
        row("GetContact", get(), "/contacts/{id}", Contact, None, 200),
        row("ListContacts", get(), "/contacts", Nothing, None, 200),
        row("UpdateContact", patch(), "/contacts/{id}", Contact, Some(json!({"job_title": "CTO"})), 200),
        row("DeleteContact", delete(), "/contacts/{id}", Contact, None, 204),
        row("RestoreContact", post(), "/contacts/{id}:restore", DeletedContact, none(), 200),
        row(
            "CreateCompany",
            post(),
            "/companies",
            Company,
            Some(json!({"name": "{unique}", "parent_id": "{id}"})),
            201,
        ),
        row("GetCompany", get(), "/companies/{id}", Company, None, 200),
        row("ListCompanies", get(), "/companies", Nothing, None, 200),
        row("UpdateCompany", patch(), "/companies/{id}", Company, Some(json!({"industry": "food"})), 200),
        row("DeleteCompany", delete(), "/companies/{id}", Company, None, 204),
        row("RestoreCompany", post(), "/companies/{id}:restore", DeletedCompany, none(), 200),
        row(
            "LinkContactCompany",
            post(),
            "/contacts/{own_contact}/companies",
            Company,
            Some(json!({"company_id": "{id}"})),
            201,
        ),
        row(
            "LinkContactCompany",
            post(),
            "/contacts/{id}/companies",
            Contact,
            Some(json!({"company_id": "{own_company}"})),
            201,
        ),
        row("ListContactCompanies", get(), "/contacts/{id}/companies", Contact, None, 200),
        row("UnlinkContactCompany", delete(), "/contacts/{id}", Link, None, 204),
        row("CreateUpload", post(), "/uploads", Nothing, None, 201),
        row(
            "CreateImport",
            post(),
            "/imports",
            Upload,
            Some(json!({"upload_id": "{id}", "object": "contact", "mapping": mapping, "dry_run": true})),
            202,
        ),
        row("GetOperation", get(), "/operations/{id}", Operation, None, 200).open(404),
        row("CancelOperation", post(), "/operations/{id}:cancel", QueuedOperation, none(), 200).open(404),
        row("GetOperationErrors", get(), "/operations/{id}/errors", Operation, None, 200).open(404),
    ]
}

/// What fills the places of a row.
pub(super) struct Values {
    id: String,
    unique: String,
    slug: String,
    refresh: String,
    invitation: String,
    own_contact: String,
    own_company: String,
}

impl Values {
    fn fill(&self, template: &str) -> String {
        template
            .replace("{id}", &self.id)
            .replace("{unique}", &self.unique)
            .replace("{key}", &self.unique.replace('-', "_"))
            .replace("{slug}", &self.slug)
            .replace("{refresh}", &self.refresh)
            .replace("{invitation}", &self.invitation)
            .replace("{own_contact}", &self.own_contact)
            .replace("{own_company}", &self.own_company)
    }
}

pub(super) async fn call(row: &Row, client: &Client, values: &Values) -> Answer {
    let path = format!("/api/v1{}", values.fill(row.path));
    let call = client.call(row.verb.clone(), &path);
    match &row.body {
        _ if row.rpc == "CreateUpload" => call.bytes("text/csv", b"Name\nMeyer\n".to_vec()),
        Some(body) => call.json(&serde_json::from_str(&values.fill(&body.to_string())).expect("a body")),
        None => call,
    }
    .send()
    .await
}

/// Everything that the matrix needs of one organisation.
pub(super) struct Side {
    pub(super) tenant: Tenant,
    contact: String,
    company: String,
}

pub(super) async fn side(stage: &Stage, name: &str) -> Side {
    let tenant = stage.tenant(name).await;
    let contact = targets::make(stage, &tenant, Target::Contact, "anchor").await;
    let company = targets::make(stage, &tenant, Target::Company, "anchor").await;
    Side { tenant, contact, company }
}

pub(super) async fn values(stage: &Stage, row: &Row, side: &Side, id: String, unique: String) -> Values {
    let mut values = Values {
        id,
        unique,
        slug: side.tenant.slug.clone(),
        refresh: String::new(),
        invitation: String::new(),
        own_contact: side.contact.clone(),
        own_company: side.company.clone(),
    };
    let body = row.body.as_ref().map(Value::to_string).unwrap_or_default();
    if body.contains("{refresh}") {
        let login = json!({"organization": side.tenant.slug, "email": format!("admin@{}.test", side.tenant.slug),
                           "password": crate::stage::PASSWORD});
        let login = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
        values.refresh = crate::stage::text(&login["refresh_token"]);
    }
    if body.contains("{invitation}") {
        let user = json!({"email": format!("{}@{}.test", values.unique, side.tenant.slug), "display_name": "I", "role_ids": []});
        let user = side.tenant.admin.post("/api/v1/users", user).await.expect(201);
        values.invitation = crate::stage::text(&user["invitation_token"]);
    }
    values
}

/// A session of the administrator that a row may end.
async fn fresh_session(stage: &Stage, tenant: &Tenant) -> Client {
    let login = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug),
                       "password": crate::stage::PASSWORD});
    let login = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
    stage.anonymous.with_token(&crate::stage::text(&login["access_token"]))
}

#[test]
fn every_rpc_has_its_rows() {
    use prost::Message;
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let mut wanted = BTreeSet::new();
    for service in set.file.iter().flat_map(|f| &f.service) {
        wanted.extend(service.method.iter().map(|m| m.name.clone()));
    }
    let mut have: BTreeSet<String> = rows().iter().map(|r| r.rpc.to_owned()).collect();
    have.extend(super::internal::RPCS.iter().map(|r| (*r).to_owned()));
    assert_eq!(have, wanted, "an RPC without its row in the isolation matrix, or a row without its RPC");
}

/// The permissions that the contract names, by method.
fn permissions() -> BTreeMap<String, String> {
    use prost::Message;
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let methods = set.file.into_iter().flat_map(|f| f.service).flat_map(|s| s.method);
    let policies = methods.filter_map(|m| Some((m.name, m.options?.policy?.permission)));
    policies.filter(|(_, permission)| !permission.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_random_ids_answer_the_same_bytes() {
    let stage = Stage::shared().await;
    let (a, b) = (side(stage, "iso-a").await, side(stage, "iso-b").await);
    let denied = stage.member(&a.tenant, "denied", json!([]), json!([])).await;
    let permissions = permissions();
    let mut wrong = Vec::new();
    for (n, row) in rows().iter().enumerate() {
        let name = format!("{} {} {}", row.rpc, row.verb, row.path);
        let mut check = |what: &str, answer: &Answer, status: u16| {
            if answer.status != status {
                wrong.push(format!("{name}: {what}: {} instead of {status}: {}", answer.status, answer.text));
            }
        };
        // Own: the positive control.
        let client = match row.rpc {
            "Logout" => fresh_session(stage, &a.tenant).await,
            "ChangePassword" => stage.member(&a.tenant, "changes", json!([]), json!([])).await.client,
            _ => a.tenant.admin.clone(),
        };
        let own = targets::make(stage, &a.tenant, row.target, &format!("own{n}")).await;
        let own = values(stage, row, &a, own, format!("own-{n}-{}", std::process::id())).await;
        let client = if row.public() { stage.anonymous.clone() } else { client };
        let answer = call(row, &client, &own).await;
        check("own", &answer, row.ok);
        for foreign in [&b.contact, &b.company, &b.tenant.id, &b.tenant.admin_id] {
            if answer.text.contains(foreign.as_str()) {
                check("shows another tenant's id", &answer, 0);
            }
        }
        if row.public() {
            continue;
        }
        // Foreign and random: the same bytes.
        if row.foreign != 0 {
            let theirs = targets::make(stage, &b.tenant, row.target, &format!("their{n}")).await;
            let unique = format!("x-{n}-{}", std::process::id());
            let foreign = values(stage, row, &a, theirs.clone(), unique.clone()).await;
            let random = values(stage, row, &a, targets::random(row.target), unique).await;
            let (foreign, random) = (call(row, &client, &foreign).await, call(row, &client, &random).await);
            check("foreign", &foreign, row.foreign);
            check("random", &random, row.foreign);
            if foreign.without_instance() != random.without_instance() {
                check(&format!("foreign differs from random {}", random.text), &foreign, 0);
            }
            if row.foreign == 422 && !foreign.text.contains("REFERENCE_NOT_FOUND") {
                check("no REFERENCE_NOT_FOUND", &foreign, 0);
            }
        }
        // Without permission, on a thing that exists.
        let own = targets::make(stage, &a.tenant, row.target, &format!("denied{n}")).await;
        let own = values(stage, row, &a, own, format!("denied-{n}-{}", std::process::id())).await;
        if row.rpc != "Logout" {
            let answer = call(row, &denied.client, &own).await;
            check("without permission", &answer, row.without_permission);
            let named = permissions.get(row.rpc).cloned().unwrap_or_default();
            if row.without_permission == 403 && answer.json()["meta"]["permission"] != named {
                check(&format!("{named} is not the permission"), &answer, 0);
            }
        }
        check("without credentials", &call(row, &stage.anonymous, &own).await, 401);
        let forged = stage.anonymous.with_token("eyJhbGciOiJub25lIn0.e30.");
        check("with a forged token", &call(row, &forged, &own).await, 401);
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
