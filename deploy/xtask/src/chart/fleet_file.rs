//! `fleet.json`: what the templates must know of each service.

use fleet::{FLEET, Role};
use serde_json::{Value, json};

use super::settings::{Setting, Settings};

/// The file.
pub(super) fn of(settings: &Settings) -> Value {
    let roles: Vec<Value> = FLEET.iter().map(|member| role(member.role, settings)).collect();
    json!({ "roles": roles, "migrate": { "secrets": secrets(settings.secrets_of_migrations()) } })
}

fn role(role: Role, settings: &Settings) -> Value {
    let member = role.member();
    let calls: Vec<Value> = member
        .calls
        .iter()
        .map(|called| {
            let variable = format!("GLOBCRM_{}_{}", role.upper(), called.names().url[0]);
            json!({"role": called.name(), "variable": variable})
        })
        .collect();
    let callers: Vec<&str> =
        FLEET.iter().filter(|other| other.calls.contains(&role)).map(|other| other.names.name).collect();
    json!({
        "name": role.name(),
        "upper": role.upper(),
        "about": member.about,
        "grpc": member.service.is_some(),
        "public": settings.has(role, "LISTEN"),
        "postgresql": settings.has(role, "DATABASE_URL"),
        "rabbitmq": settings.has(role, "AMQP_URL"),
        "redis": settings.has(role, "REDIS_URL"),
        "blobs": settings.has(role, "BLOB_DIR"),
        "calls": calls,
        "callers": callers,
        "secrets": secrets(settings.secrets(role)),
    })
}

fn secrets(settings: Vec<&Setting>) -> Vec<Value> {
    let one = |setting: &Setting| {
        let mut one =
            json!({"variable": setting.variable, "key": setting.key(), "required": setting.required});
        if setting.is_of_a_bucket() {
            one["bucket"] = json!(true);
        }
        one
    };
    settings.into_iter().map(one).collect()
}
