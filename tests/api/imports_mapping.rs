//! Imports through all services: owners that identity knows by their addresses, companies, and what an operation that fails says.

use reqwest::Method;
use serde_json::{Value, json};

use crate::journey::writing::finished;
use crate::stage::{Stage, Tenant, text};

async fn import(tenant: &Tenant, object: &str, file: &str, mapping: &[(&str, &str)]) -> Value {
    let call = tenant.admin.call(Method::POST, "/api/v1/uploads").bytes("text/csv", file.as_bytes().to_vec());
    let upload = text(&call.send().await.expect(201)["id"]);
    let mapping: Vec<Value> =
        mapping.iter().map(|(column, field)| json!({"column": column, "field": field})).collect();
    let body =
        json!({"upload_id": upload, "object": object, "mapping": mapping, "duplicate_policy": "update"});
    let id = text(&tenant.admin.post("/api/v1/imports", body).await.expect(202)["id"]);
    finished(&tenant.admin, &id).await
}

#[tokio::test]
async fn a_company_then_its_contact_with_the_owner_that_the_file_names() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-all").await;
    let rep = stage.member(&tenant, "rep", json!([]), json!([])).await;
    let file = "Firma,Domain\nAcme GmbH,acme.test\n";
    let operation = import(&tenant, "company", file, &[("Firma", "name"), ("Domain", "domains")]).await;
    assert_eq!(operation["result"]["created"], 1, "{operation}");

    let mapping = [
        ("Name", "last_name"),
        ("Mail", "emails.address"),
        ("Betreuer", "owner.email"),
        ("Firma", "company.name"),
        ("Anrufe", "do_not_call"),
    ];
    let file = format!("Name,Mail,Betreuer,Firma,Anrufe\nMeyer,m@x.test,{},acme gmbh,yes\n", rep.email);
    let operation = import(&tenant, "contact", &file, &mapping).await;
    assert_eq!(operation["result"]["created"], 1, "{operation}");
    let found = async || {
        let page =
            tenant.admin.get("/api/v1/contacts?filter=last_name%20%3D%20%22Meyer%22").await.expect(200);
        page["contacts"][0].clone()
    };
    let contact = found().await;
    assert_eq!((text(&contact["owner_id"]), &contact["do_not_call"]), (rep.id, &json!(true)), "{contact}");
    let links = tenant.admin.get(&format!("/api/v1/contacts/{}/companies", text(&contact["id"]))).await;
    assert_eq!(links.expect(200)["companies"][0]["is_primary"], true);

    let file = "Name,Mail,Betreuer,Firma,Anrufe\n,M@x.test,,,no\n,m@x.test,nobody@x.test,,\n";
    let operation = import(&tenant, "contact", file, &mapping).await;
    assert_eq!((&operation["result"]["updated"], &operation["result"]["failed"]), (&json!(1), &json!(1)));
    let error = &operation["errors"][0];
    let told = ["column", "field", "reason"].map(|member| text(&error[member]));
    assert_eq!(told, ["Betreuer", "owner.email", "REFERENCE_NOT_FOUND"], "{error}");
    assert_eq!(found().await["do_not_call"], false);
}

#[tokio::test]
async fn an_operation_that_fails_for_its_columns_names_them_also_as_csv() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-columns").await;
    let mapping = [("Name", "last_name"), ("Mail", "emails.address")];
    let operation = import(&tenant, "contact", "Name,E-Mail\n", &mapping).await;
    assert_eq!(
        (text(&operation["state"]), text(&operation["failure"])),
        ("failed".into(), "COLUMN_MISSING".into())
    );
    let error = &operation["errors"][0];
    assert_eq!(
        (&error["line"], &error["column"], &error["field"]),
        (&json!(1), &json!("Mail"), &json!("emails.address"))
    );
    assert!(text(&error["detail"]).contains("\"E-Mail\""), "{error}");
    let errors = tenant.admin.get(&format!("/api/v1/operations/{}/errors", text(&operation["id"]))).await;
    let lines: Vec<&str> = errors.text.lines().collect();
    assert_eq!(lines[0], "line,column,reason,detail,field,record_id");
    assert!(
        lines[1].starts_with("1,Mail,COLUMN_MISSING,") && lines[1].ends_with(",emails.address,"),
        "{lines:?}"
    );
}
