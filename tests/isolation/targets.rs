//! Things that RPCs act on, made fresh in a tenant.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Stage, Tenant, text};

/// What an RPC's id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The RPC names no record.
    Nothing,
    Session,
    User,
    DisabledUser,
    Team,
    Role,
    ApiKey,
    Field,
    ArchivedField,
    Contact,
    DeletedContact,
    /// A contact tied to a company: `<contact>/companies/<company>`.
    Link,
    Company,
    DeletedCompany,
    Upload,
    Operation,
    QueuedOperation,
}

/// Makes one in the tenant and gives its id as it stands in a path.
pub async fn make(stage: &Stage, tenant: &Tenant, target: Target, unique: &str) -> String {
    let admin = &tenant.admin;
    match target {
        Target::Nothing => String::new(),
        Target::Session => {
            let body = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug),
                              "password": crate::stage::PASSWORD});
            let login = stage.anonymous.post("/api/v1/auth/login", body).await.expect(200);
            let sessions =
                stage.anonymous.with_token(&text(&login["access_token"])).get("/api/v1/me/sessions").await;
            let sessions = sessions.expect(200);
            let all = sessions["sessions"].as_array().expect("sessions");
            text(&all.iter().find(|s| s["current"] == true).expect("the new session")["id"])
        }
        Target::User | Target::DisabledUser => {
            let body = json!({"email": format!("{unique}@{}.test", tenant.slug), "display_name": unique, "role_ids": []});
            let id = created(admin.post("/api/v1/users", body).await.expect(201));
            if target == Target::DisabledUser {
                admin.post(&format!("/api/v1/users/{id}:disable"), json!({})).await.expect(200);
            }
            id
        }
        Target::Team => created(admin.post("/api/v1/teams", json!({"name": unique})).await.expect(201)),
        Target::Role => created(
            admin
                .post("/api/v1/roles", json!({"name": unique, "permissions": [], "fields": []}))
                .await
                .expect(201),
        ),
        Target::ApiKey => {
            let body = json!({"name": unique, "scopes": ["contact.read"]});
            created(admin.post("/api/v1/api-keys", body).await.expect(201))
        }
        Target::Field | Target::ArchivedField => {
            let body =
                json!({"key": unique.replace('-', "_"), "label": unique, "type": "text", "indexed": false});
            let id = created(admin.post("/api/v1/objects/contact/fields", body).await.expect(201));
            if target == Target::ArchivedField {
                admin
                    .post(&format!("/api/v1/objects/contact/fields/{id}:archive"), json!({}))
                    .await
                    .expect(200);
            }
            id
        }
        Target::Contact | Target::DeletedContact => {
            let id = created(admin.post("/api/v1/contacts", json!({"last_name": unique})).await.expect(201));
            if target == Target::DeletedContact {
                admin.delete(&format!("/api/v1/contacts/{id}")).await.expect(204);
            }
            id
        }
        Target::Link => {
            let contact =
                created(admin.post("/api/v1/contacts", json!({"last_name": unique})).await.expect(201));
            let company = created(admin.post("/api/v1/companies", json!({"name": unique})).await.expect(201));
            let path = format!("/api/v1/contacts/{contact}/companies");
            admin.post(&path, json!({"company_id": company})).await.expect(201);
            format!("{contact}/companies/{company}")
        }
        Target::Company | Target::DeletedCompany => {
            let id = created(admin.post("/api/v1/companies", json!({"name": unique})).await.expect(201));
            if target == Target::DeletedCompany {
                admin.delete(&format!("/api/v1/companies/{id}")).await.expect(204);
            }
            id
        }
        Target::Upload => {
            let bytes = b"Name\nMeyer\n".to_vec();
            let answer = admin.call(Method::POST, "/api/v1/uploads").bytes("text/csv", bytes).send().await;
            created(answer.expect(201))
        }
        Target::Operation | Target::QueuedOperation => {
            let upload = Box::pin(make(stage, tenant, Target::Upload, unique)).await;
            let body = json!({"upload_id": upload, "object": "contact", "dry_run": true,
                              "mapping": [{"column": "Name", "field": "last_name"}]});
            created(admin.post("/api/v1/imports", body).await.expect(202))
        }
    }
}

fn created(answer: Value) -> String {
    text(&answer["id"])
}

/// An id of the same form that names nothing.
pub fn random(target: Target) -> String {
    let id = || {
        let mut bytes = [0_u8; 16];
        let file = std::fs::File::open("/dev/urandom").expect("random bytes");
        std::io::Read::read_exact(&mut &file, &mut bytes).expect("random bytes");
        let hex = bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
        format!("{}-{}-7{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    };
    match target {
        Target::Nothing => String::new(),
        Target::Link => format!("{}/companies/{}", id(), id()),
        Target::Operation | Target::QueuedOperation => format!("records.{}", id()),
        _ => id(),
    }
}
