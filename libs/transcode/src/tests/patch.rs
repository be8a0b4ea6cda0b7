use proto::records::v1::UpdateContactRequest;

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
    assert_eq!(mask(&request), ["job_title", "custom", "tags", "birthday", "do_not_call"]);
    assert_eq!(request.id, "42");
    let contact = request.contact.unwrap();
    assert_eq!(contact.custom, r#"{"seats":7,"tier":null}"#);
    assert_eq!(contact.etag.as_deref(), Some("3"));
    assert_eq!((contact.birthday, contact.id.as_str()), (None, ""));
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
