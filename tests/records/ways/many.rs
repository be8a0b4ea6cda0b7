//! The cells of a change of many records. A call is refused for what holds for all of them, and a record for what holds for it.

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::{Value, json};

use super::{Caller, Check, May, Refusal, World, finished, named, reason};

pub(super) fn asked(object: &str, id: &str, changes: &Value) -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: object.to_owned(),
        ids: vec![id.to_owned()],
        action: "update".to_owned(),
        changes: changes.to_string().into_bytes().into(),
        ..Default::default()
    }
}

/// The reason by which a record is refused, or the call for all of them; `none` where it is changed.
pub(super) async fn attempt(world: &World, admin: &Caller, check: Check, nobody: &str) -> Result<String> {
    let known = admin.create(named("", "Known")).await?.id;
    let rep = {
        let own = ["create", "read", "update"].map(|action| ("contact", action, Scope::Own));
        world.caller(admin.tenant, &May { actions: &own, fields: &[] })?
    };
    let (who, request) = match check {
        Check::Rules => (admin, asked("contacts", &known, &json!({ "last_name": null }))),
        Check::References => (admin, asked("contacts", &known, &json!({"custom": {"boss": nobody}}))),
        Check::Itself => (admin, asked("contacts", &known, &json!({"custom": {"boss": known}}))),
        Check::Unique => (admin, asked("contacts", &known, &json!({"custom": {"serial": "S-1"}}))),
        Check::Reach => {
            let own = rep.create(named("", "Given")).await?.id;
            (&rep, asked("contacts", &own, &json!({ "owner_id": admin.id })))
        }
        _ => {
            let company =
                |parent_id| pb::Company { name: Some("Company".to_owned()), parent_id, ..Default::default() };
            let above = admin.create_company(company(None)).await?.id;
            let below = admin.create_company(company(Some(above.clone()))).await?.id;
            (admin, asked("companies", &above, &json!({ "parent_id": below })))
        }
    };
    let queued = match who.service.create_bulk_operation(who.request(request, &[])).await {
        Ok(queued) => queued.into_inner().operation.unwrap_or_default(),
        Err(refused) => return Ok(reason(Err(Refusal::from(refused)))),
    };
    let operation = finished(who, &queued.id).await?;
    let reasons: Vec<&str> = operation.errors.iter().map(|error| error.reason.as_str()).collect();
    Ok(if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") })
}
