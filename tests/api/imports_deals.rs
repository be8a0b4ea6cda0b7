//! Deals out of files, through all services.

use reqwest::Method;
use serde_json::{Value, json};

use crate::journey::writing::finished;
use crate::stage::{Stage, Tenant, text};

async fn upload(tenant: &Tenant, file: &str) -> String {
    let call = tenant.admin.call(Method::POST, "/api/v1/uploads").bytes("text/csv", file.as_bytes().to_vec());
    text(&call.send().await.expect(201)["id"])
}

#[tokio::test]
async fn a_file_becomes_deals_of_companies_contacts_and_owners_that_it_names() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-deals").await;
    let rep = stage.member(&tenant, "rep", json!([]), json!([])).await;
    let post = async |path: &str, body: Value| text(&tenant.admin.post(path, body).await.expect(201)["id"]);
    let acme = post("/api/v1/companies", json!({"name": "Acme GmbH", "domains": ["acme.test"]})).await;
    let body = json!({"last_name": "Meyer", "emails": [{"address": "m@acme.test"}]});
    let meyer = post("/api/v1/contacts", body).await;
    let file = format!(
        "Deal;Wert;W\u{e4}hrung;Firma;Mail;Owner;Erp\n\
         Rollout;1.250,00;EUR;acme gmbh;M@acme.test;{};e-1\n\
         Lizenzen;99,50;EUR;ACME.test;;;e-2\n\
         Nichts;;;Niemand;;;e-3\n",
        rep.email
    );
    let file = upload(&tenant, &file).await;
    let preview = json!({"upload_id": file, "object": "deal", "decimal_separator": ","});
    let preview = tenant.admin.post("/api/v1/imports:preview", preview).await.expect(200);
    assert_eq!(preview["detected"]["delimiter"], ";", "{preview}");
    let fields: Vec<String> =
        preview["mapping"].as_array().unwrap().iter().map(|e| text(&e["field"])).collect();
    let known = ["name", "amount", "amount.currency", "company.name", "contact.email", "owner.email"];
    assert_eq!(fields, known, "{preview}");

    let mut mapping = preview["mapping"].clone();
    mapping.as_array_mut().unwrap().push(json!({"column": "Erp", "field": "external_ids.erp"}));
    let import = async |dry_run: bool, policy: &str| {
        let body = json!({"upload_id": file, "object": "deal", "mapping": mapping, "decimal_separator": ",",
                          "duplicate_policy": policy, "dry_run": dry_run});
        let queued = tenant.admin.post("/api/v1/imports", body).await.expect(202);
        let id = text(&queued["id"]);
        assert!(id.starts_with("pipeline."), "{queued}");
        finished(&tenant.admin, &id).await
    };
    for (dry_run, policy, counts) in
        [(true, "skip", [1, 0, 0, 2]), (false, "skip", [1, 0, 0, 2]), (false, "update", [0, 1, 0, 2])]
    {
        let operation = import(dry_run, policy).await;
        let result = &operation["result"];
        let found =
            ["created", "updated", "skipped", "failed"].map(|name| result[name].as_i64().unwrap_or(0));
        assert_eq!(found, counts, "{operation}");
        let told = |error: &Value| ["column", "field", "reason"].map(|member| text(&error[member]));
        let missing = ["Firma", "company.name", "REFERENCE_NOT_FOUND"].map(str::to_owned);
        assert_eq!(
            operation["errors"].as_array().unwrap().iter().map(told).collect::<Vec<_>>(),
            [missing.clone(), missing]
        );
        let csv = tenant.admin.get(&format!("/api/v1/operations/{}/errors", text(&operation["id"]))).await;
        assert_eq!(csv.text.lines().count(), 3, "{}", csv.text);
    }
    let page = tenant.admin.get("/api/v1/deals").await.expect(200);
    let [deal] = page["deals"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((text(&deal["company_id"]), text(&deal["owner_id"])), (acme, rep.id), "{deal}");
    assert_eq!(deal["amount"], json!({"amount_minor": 125_000, "currency": "EUR"}));
    assert_eq!((text(&deal["contacts"][0]["contact_id"]), &deal["source"]), (meyer, &json!("import")));
    let history =
        tenant.admin.get(&format!("/api/v1/deals/{}/stage-history", text(&deal["id"]))).await.expect(200);
    assert_eq!(history["entries"][0]["source"], "import");
}

#[tokio::test]
async fn an_object_without_imports_is_refused_with_those_that_have_them() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("import-others").await;
    let file = upload(&tenant, "Name\nA\n").await;
    let mapping = json!([{"column": "Name", "field": "name"}]);
    for object in ["deals", "note", "user"] {
        let body = json!({"upload_id": file, "object": object, "mapping": mapping});
        let refused = tenant.admin.post("/api/v1/imports", body).await.expect(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["reason"]), (&json!("/object"), &json!("UNKNOWN_OBJECT")));
        assert!(
            ["contact", "company", "deal"].iter().all(|name| text(&error["detail"]).contains(name)),
            "{error}"
        );
    }
}
