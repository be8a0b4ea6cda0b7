use proto::records::v1::{LinkContactCompanyRequest, UpdateCompanyRequest, UpdateContactRequest};

use super::{accepted, expected, invalid};

fn patched(body: &str) -> UpdateContactRequest {
    accepted("PATCH", "/api/v1/contacts/42", body)
}

fn mask(request: &UpdateContactRequest) -> Vec<&str> {
    request.update_mask.as_ref().unwrap().paths.iter().map(String::as_str).collect()
}

#[test]
fn the_mask_is_the_members_sent() {
    let request = patched(
        r#"{"job_title":"CTO","custom":{"seats":7,"tier":null},"id":"x","etag":"3","tags":null,"birthday":null,"do_not_call":false}"#,
    );
    assert_eq!(mask(&request), ["birthday", "custom", "do_not_call", "job_title", "tags"]);
    assert_eq!(request.id, "42");
    let contact = request.contact.unwrap();
    assert_eq!(contact.custom, r#"{"seats":7,"tier":null}"#);
    assert_eq!(contact.etag.as_deref(), Some("3"));
    assert_eq!((contact.birthday, contact.id.as_str()), (None, ""));
}

/// What is never answered is sent like any other member: only the version that a change is based on is none of its fields.
#[test]
fn a_member_that_is_only_sent_is_in_the_mask() {
    let body = r#"{"stage_reason":"because","stage_id":"7f1c9a52-6c3b-4a53-9b67-9e9a4a3d1c11","etag":"3"}"#;
    let request: proto::pipeline::v1::UpdateDealRequest = accepted("PATCH", "/api/v1/deals/42", body);
    assert_eq!(request.update_mask.unwrap().paths, ["stage_id", "stage_reason"]);
    assert_eq!(request.deal.unwrap().stage_reason.as_deref(), Some("because"));
}

#[test]
fn an_empty_patch_has_an_empty_mask_and_not_none() {
    let request = patched("{}");
    assert_eq!(request.update_mask, Some(prost_types::FieldMask::default()));
    assert!(request.contact.is_some());
}

#[test]
fn absent_members_of_a_patch_are_not_required_but_those_of_its_elements_are() {
    let request: proto::identity::v1::UpdateRoleRequest =
        accepted("PATCH", "/api/v1/roles/1", "{\"name\":\"x\"}");
    assert_eq!(request.update_mask.unwrap().paths, ["name"]);
    let found = invalid("PATCH", "/api/v1/contacts/42", "{\"emails\":[{}],\"update_mask\":\"x\"}");
    assert_eq!(found, expected(&[("/emails/0/address", "REQUIRED"), ("/update_mask", "UNKNOWN_FIELD")]));
}

#[test]
fn of_objects_that_are_merged_the_members_are_named_and_null_has_no_value() {
    let request = patched(
        r#"{"external_ids":{"erp":"1","a.b":null,"tick`s":"2","":"x"},"custom":null,"emails":[{"address":"a@b.c"}]}"#,
    );
    let paths = [
        "custom",
        "emails",
        "external_ids.``",
        "external_ids.`a.b`",
        "external_ids.`tick``s`",
        "external_ids.erp",
    ];
    assert_eq!(mask(&request), paths);
    let contact = request.contact.unwrap();
    let ids: Vec<(&str, &str)> = contact.external_ids.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(ids, [("", "x"), ("erp", "1"), ("tick`s", "2")]);
    assert!(contact.custom.is_empty());
    // Nothing inside, and nothing at all, are two things.
    assert_eq!(mask(&patched(r#"{"external_ids":{}}"#)), Vec::<&str>::new());
    assert_eq!(mask(&patched(r#"{"external_ids":null}"#)), ["external_ids"]);
    assert_eq!(patched(r#"{"custom":{}}"#).contact.unwrap().custom, "{}");
}

#[test]
fn a_message_is_merged_by_its_members() {
    let company = |body: &str| -> UpdateCompanyRequest { accepted("PATCH", "/api/v1/companies/42", body) };
    let request = company(r#"{"annual_revenue":{"amount_minor":0,"currency":null}}"#);
    let paths = request.update_mask.unwrap().paths;
    assert_eq!(paths, ["annual_revenue.amount_minor", "annual_revenue.currency"]);
    let amount = request.company.unwrap().annual_revenue.unwrap();
    assert_eq!((amount.amount_minor, amount.currency), (Some(0), None));
    let wrong = r#"{"annual_revenue":{"currency":"EURO","x":1}}"#;
    let found = invalid("PATCH", "/api/v1/companies/42", wrong);
    let places = [("/annual_revenue/currency", "TOO_LONG"), ("/annual_revenue/x", "UNKNOWN_FIELD")];
    assert_eq!(found, expected(&places));
    // What is made, and what stands in a list, is not merged.
    let found = invalid("POST", "/api/v1/companies", r#"{"annual_revenue":{"currency":null}}"#);
    let places = [("/annual_revenue/currency", "REQUIRED"), ("/annual_revenue/amount_minor", "REQUIRED")];
    assert_eq!(found, expected(&places));
}

#[test]
fn a_post_with_a_mask_names_what_was_sent_and_misses_what_is_required() {
    let path = "/api/v1/contacts/42/companies";
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let body = format!(r#"{{"role":null,"company_id":"{id}"}}"#);
    let request: LinkContactCompanyRequest = accepted("POST", path, &body);
    assert_eq!(request.update_mask.unwrap().paths, ["company_id", "role"]);
    assert_eq!(request.link.unwrap().role, None);
    assert_eq!(invalid("POST", path, "{}"), expected(&[("/company_id", "REQUIRED")]));
}
