//! The RPCs of identity.

mod internal;

use serde_json::json;

use super::row::{delete, get, patch, post};
use super::target::{Target, created};
use super::{By, Table};
use crate::stage::{PASSWORD, Stage, Tenant, text};

const USER: Target = Target::new(|_, tenant, unique| Box::pin(user(tenant, unique)));
pub const ACTIVE_USER: Target =
    Target::new(|stage, tenant, unique| Box::pin(active_user(stage, tenant, unique)));
const PASSWORD_RESET: Target = Target::new(|stage, tenant, unique| {
    Box::pin(async move {
        let path = format!("/api/v1/users/{}:reset-password", active_user(stage, tenant, unique).await);
        text(&tenant.admin.post(&path, json!({})).await.expect(200)["reset_token"])
    })
});
const DISABLED_USER: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = user(tenant, unique).await;
        tenant.admin.post(&format!("/api/v1/users/{id}:disable"), json!({})).await.expect(200);
        id
    })
});
pub const TEAM: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        created(&tenant.admin.post("/api/v1/teams", json!({"name": unique})).await.expect(201))
    })
});
pub const ROLE: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let body = json!({"name": unique, "permissions": [], "fields": []});
        created(&tenant.admin.post("/api/v1/roles", body).await.expect(201))
    })
});
const API_KEY: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let body = json!({"name": unique, "scopes": ["contact.read"]});
        created(&tenant.admin.post("/api/v1/api-keys", body).await.expect(201))
    })
});
const SESSION: Target = Target::new(|stage, tenant, _| Box::pin(session(stage, tenant)));
const REFRESH_TOKEN: Target = Target::new(|stage, tenant, _| {
    Box::pin(async move { text(&login(stage, tenant).await["refresh_token"]) })
});
const INVITATION: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move { text(&invited(tenant, unique).await["invitation_token"]) })
});

pub fn table() -> Table {
    let sign_up = json!({"organization": "X", "slug": "{unique}", "email": "x@{unique}.test",
                         "password": PASSWORD, "display_name": "X"});
    let login = json!({"organization": "{slug}", "email": "admin@{slug}.test", "password": PASSWORD});
    let accept = json!({"token": "{invitation}", "password": PASSWORD});
    let reset = json!({"token": "{reset}", "password": "{unique} is quite long"});
    let password = json!({"current_password": PASSWORD, "new_password": "{unique} is quite long"});
    let user = |place: &str, id| json!({"email": "{unique}@x.test", "display_name": "U", place: id});
    let role = json!({"name": "{unique}", "permissions": [], "fields": []});
    let rows = vec![
        post("SignUp", "/signup").json(sign_up).answers(201).public(),
        post("Login", "/auth/login").json(login).public(),
        post("Refresh", "/auth/refresh")
            .json(json!({"refresh_token": "{refresh}"}))
            .with("refresh", &REFRESH_TOKEN)
            .public(),
        post("AcceptInvitation", "/invitations:accept").json(accept).with("invitation", &INVITATION).public(),
        post("ResendInvitation", "/users/{id}:resend-invitation").of(&USER),
        post("CreatePasswordReset", "/users/{id}:reset-password").of(&ACTIVE_USER),
        post("ResetPassword", "/auth/password-reset").json(reset).with("reset", &PASSWORD_RESET).public(),
        post("ChangePassword", "/me/password").json(password).by(By::Member).open(200),
        post("Logout", "/auth/logout").by(By::Session).answers(204).open(204),
        get("GetMe", "/me").open(200),
        get("ListSessions", "/me/sessions").open(200),
        delete("DeleteSession", "/me/sessions/{id}").of(&SESSION).open(404),
        post("CreateUser", "/users").of(&ROLE).json(user("role_ids", json!(["{id}"]))).answers(201),
        post("CreateUser", "/users").of(&TEAM).json(user("team_ids", json!(["{id}"]))).answers(201),
        post("CreateUser", "/users").of(&USER).json(user("manager_id", json!("{id}"))).answers(201),
        get("GetUser", "/users/{id}").of(&USER),
        get("ListUsers", "/users"),
        patch("UpdateUser", "/users/{id}").of(&USER).json(json!({"display_name": "New"})),
        post("DisableUser", "/users/{id}:disable").of(&USER),
        post("EnableUser", "/users/{id}:enable").of(&DISABLED_USER),
        get("GetOrganization", "/organization"),
        patch("UpdateOrganization", "/organization").json(json!({"duplicate_check": false})),
        post("CreateTeam", "/teams")
            .of(&TEAM)
            .json(json!({"name": "{unique}", "parent_id": "{id}"}))
            .answers(201),
        get("GetTeam", "/teams/{id}").of(&TEAM),
        get("ListTeams", "/teams"),
        patch("UpdateTeam", "/teams/{id}").of(&TEAM).json(json!({"name": "{unique}"})),
        delete("DeleteTeam", "/teams/{id}").of(&TEAM),
        post("CreateRole", "/roles").json(role).answers(201),
        get("GetRole", "/roles/{id}").of(&ROLE),
        get("ListRoles", "/roles"),
        get("ListAuditLog", "/audit-log"),
        get("VerifyAuditLog", "/audit-log:verify"),
        patch("UpdateRole", "/roles/{id}").of(&ROLE).json(json!({"name": "{unique}"})),
        delete("DeleteRole", "/roles/{id}").of(&ROLE),
        post("CreateApiKey", "/api-keys")
            .json(json!({"name": "{unique}", "scopes": ["contact.read"]}))
            .answers(201),
        get("ListApiKeys", "/api-keys"),
        delete("DeleteApiKey", "/api-keys/{id}").of(&API_KEY),
        // Everybody's own, in this order.
        post("CreateCalendarFeed", "/calendar-feed").answers(201).open(201),
        get("GetCalendarFeed", "/calendar-feed").open(200),
        delete("DeleteCalendarFeed", "/calendar-feed").open(204),
    ];
    Table { rows, internal: internal::checks(), planted: Vec::new() }
}

async fn invited(tenant: &Tenant, unique: &str) -> serde_json::Value {
    let body =
        json!({"email": format!("{unique}@{}.test", tenant.slug), "display_name": unique, "role_ids": []});
    tenant.admin.post("/api/v1/users", body).await.expect(201)
}

async fn user(tenant: &Tenant, unique: &str) -> String {
    created(&invited(tenant, unique).await)
}

async fn active_user(stage: &Stage, tenant: &Tenant, unique: &str) -> String {
    let made = invited(tenant, unique).await;
    let accept = json!({"token": made["invitation_token"], "password": PASSWORD});
    stage.anonymous.post("/api/v1/invitations:accept", accept).await.expect(200);
    created(&made)
}

async fn login(stage: &Stage, tenant: &Tenant) -> serde_json::Value {
    let body = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug),
                      "password": PASSWORD});
    stage.anonymous.post("/api/v1/auth/login", body).await.expect(200)
}

async fn session(stage: &Stage, tenant: &Tenant) -> String {
    let token = text(&login(stage, tenant).await["access_token"]);
    let sessions = stage.anonymous.with_token(&token).get("/api/v1/me/sessions").await.expect(200);
    let all = sessions["sessions"].as_array().expect("sessions");
    text(&all.iter().find(|s| s["current"] == true).expect("the new session")["id"])
}
