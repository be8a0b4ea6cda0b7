//! The custom fields, the role and the second user of a demo organisation.

use anyhow::Context;
use serde_json::json;

use super::PASSWORD;
use super::api::Api;

pub(super) async fn fields(api: &mut Api) -> anyhow::Result<()> {
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

/// Gives the id of the user.
pub(super) async fn representative(api: &mut Api) -> anyhow::Result<String> {
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
            &json!({"email": api.email("rep"), "display_name": "Remy Rep", "role_ids": [role["id"]]}),
        )
        .await?;
    let token = user["invitation_token"].as_str().context("an invitation token")?;
    let body = json!({"token": token, "password": PASSWORD, "display_name": "Remy Rep"});
    api.send("/api/v1/invitations:accept", &body, 200).await?;
    Ok(user["id"].as_str().context("the user's id")?.to_owned())
}
