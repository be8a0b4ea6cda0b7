//! `include` over the whole fleet: the names are where they belong, and a service that is away takes only its names along.

use serde_json::{Value, json};
use testkit::fleet::Role;

use crate::client::Client;
use crate::stage::{Stage, Tenant, text};

/// What a test has made.
struct Made {
    company: String,
    contact: String,
    deal: String,
}

async fn make(tenant: &Tenant, name: &str) -> Made {
    let post = async |path: &str, body: Value| {
        text(&tenant.admin.post(&format!("/api/v1/{path}"), body).await.expect(201)["id"])
    };
    let company = post("companies", json!({"name": format!("{name} Ltd")})).await;
    let contact = post("contacts", json!({"first_name": "Ada", "last_name": name})).await;
    let link = json!({"company_id": company});
    tenant.admin.post(&format!("/api/v1/contacts/{contact}/companies"), link).await.expect(201);
    let contacts = json!([{"contact_id": contact, "is_primary": true}]);
    let deal = json!({"name": format!("{name} deal"), "company_id": company, "contacts": contacts});
    let deal = post("deals", deal).await;
    let links = json!([{"object": "deal", "id": deal}, {"object": "company", "id": company}]);
    let task = json!({"kind": "task", "subject": name, "links": links,
                      "participants": [{"object": "contact", "id": contact}, {"object": "user", "id": tenant.admin_id}]});
    post("activities", task).await;
    post("notes", json!({"body": name, "links": links})).await;
    Made { company, contact, deal }
}

fn named(object: &str, id: &str, name: impl Into<Value>) -> Value {
    json!({"object": object, "id": id, "name": name.into(), "deleted": false})
}

/// `included` of the first record of a list, and the list's warnings.
async fn first(client: &Client, list: &str, include: &str) -> (Value, Value) {
    let page = client.get(&format!("/api/v1/{list}?include={include}")).await.expect(200);
    (page[list][0]["included"].clone(), page["warnings"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_names_what_its_records_refer_to() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("includes").await;
    let admin = &tenant.admin;
    let made = make(&tenant, "Acme").await;
    let other = stage.tenant("includes-other").await;
    let theirs = make(&other, "Foreign").await;
    let owner = named("user", &tenant.admin_id, "Ada Admin");
    let company = named("company", &made.company, "Acme Ltd");
    let contact = named("contact", &made.contact, "Ada Acme");
    let deal = named("deal", &made.deal, "Acme deal");
    let (deals, missing) = first(admin, "deals", "company,contacts,owner,stage").await;
    assert_eq!(missing, Value::Null, "no warnings");
    let stage_id = text(&admin.get(&format!("/api/v1/deals/{}", made.deal)).await.expect(200)["stage_id"]);
    assert_eq!(
        deals,
        json!({"company": company, "contacts": [contact], "owner": owner, "stage": named("stage", &stage_id, "Qualified")})
    );
    let (contacts, _) = first(admin, "contacts", "company,owner").await;
    assert_eq!(contacts, json!({"company": company, "owner": owner}));
    let (companies, _) = first(admin, "companies", "owner,parent").await;
    assert_eq!(companies, json!({"owner": owner, "parent": null}));
    let (activities, _) = first(admin, "activities", "links,participants,assignee").await;
    assert_eq!(
        activities,
        json!({"assignee": null, "links": [deal, company], "owner": null, "participants": [contact, owner]})
    );
    let (notes, _) = first(admin, "notes", "links,owner").await;
    assert_eq!(notes, json!({"links": [deal, company], "owner": owner}));

    // One record, with some of its fields, and as before without.
    let path = format!("/api/v1/deals/{}", made.deal);
    let one = admin.get(&format!("{path}?fields=name&include=company,access")).await.expect(200);
    let mut members: Vec<&String> = one.as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(members, ["access", "included", "name"], "{one}");
    assert_eq!(one["included"]["company"], company);
    assert!(admin.get(&path).await.expect(200).get("included").is_none());
    let board = admin.get("/api/v1/deals:board?include=company").await.expect(200);
    assert_eq!(board["columns"][0]["deals"][0]["included"]["company"], company);
    let wrong = admin.get("/api/v1/deals?include=companies").await;
    let problem = wrong.refused(400, "INCLUDE_INVALID");
    assert_eq!(problem["meta"]["parameter"], "include");
    assert!(text(&problem["detail"]).ends_with("access, company, contacts, owner, stage"), "{problem}");

    // By id alone, where the record is somebody else's or its name is hidden.
    let may = json!([{"object": "deal", "actions": ["read"], "scopes": ["all"]},
                     {"object": "company", "actions": ["read"], "scopes": ["own"]},
                     {"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let hidden = json!([{"object": "contact", "field": "first_name", "access": "none"}]);
    let rep = stage.member(&tenant, "rep", may, hidden).await.client;
    let (seen, missing) = first(&rep, "deals", "company,contacts,owner").await;
    assert_eq!(
        seen,
        json!({"company": unnamed(&company), "contacts": [unnamed(&contact)], "owner": unnamed(&owner), "stage": null})
    );
    assert_eq!(missing, Value::Null);

    // In the trash it is named and says so.
    admin.delete(&format!("/api/v1/companies/{}", made.company)).await.expect(204);
    let (deals, _) = first(admin, "deals", "company").await;
    let mut deleted = company.clone();
    deleted["deleted"] = true.into();
    assert_eq!(deals["company"], deleted);

    // Another organization's records are nowhere.
    for list in ["deals", "contacts", "companies", "activities", "notes"] {
        let page = admin.get(&format!("/api/v1/{list}?include=owner")).await.expect(200).to_string();
        for foreign in ["Foreign", &theirs.company, &theirs.contact, &theirs.deal, &other.admin_id] {
            assert!(!page.contains(foreign), "{list}: {page}");
        }
    }
}

fn unnamed(named: &Value) -> Value {
    let mut named = named.clone();
    named["name"] = Value::Null;
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_takes_only_its_names_along() {
    let stage = tokio::task::block_in_place(Stage::start);
    let tenant = stage.tenant("includes-away").await;
    let made = make(&tenant, "Acme").await;
    let admin = &tenant.admin;
    let owner = named("user", &tenant.admin_id, "Ada Admin");
    let reasons = |warnings: &Value| {
        let of = |warning: &Value| {
            assert_eq!(warning["parameter"], "include", "{warning}");
            text(&warning["reason"])
        };
        warnings.as_array().expect("warnings").iter().map(of).collect::<Vec<_>>()
    };
    let without = async |how: &str| {
        let (included, warnings) = first(admin, "deals", "company,contacts,owner").await;
        assert_eq!(reasons(&warnings), ["RECORDS_UNAVAILABLE"], "{how}: {warnings}");
        assert_eq!(included["company"], named("company", &made.company, Value::Null), "{how}");
        assert_eq!(included["contacts"], json!([named("contact", &made.contact, Value::Null)]), "{how}");
        assert_eq!(included["owner"], owner, "{how}");
        let one = admin.get(&format!("/api/v1/deals/{}?include=company", made.deal)).await.expect(200);
        assert_eq!(reasons(&one["warnings"]), ["RECORDS_UNAVAILABLE"], "{how}");
    };
    // It hangs, with its connections open; then it is gone.
    stage.fleet.pause(Role::Records).expect("paused");
    without("paused").await;
    stage.fleet.resume(Role::Records).expect("resumed");
    stage.fleet.kill9(Role::Records).expect("killed");
    without("killed").await;
    let refused = admin.post("/api/v1/deals", json!({"name": "New", "company_id": made.company})).await;
    super::problem(&refused, 503, "RECORDS_UNAVAILABLE");
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    stage.fleet.kill9(Role::Pipeline).expect("killed");
    let (included, warnings) = first(admin, "activities", "links,participants").await;
    let mut both = reasons(&warnings);
    both.sort();
    assert_eq!(both, ["PIPELINE_UNAVAILABLE", "RECORDS_UNAVAILABLE"], "{warnings}");
    assert_eq!(included["links"][0], named("deal", &made.deal, Value::Null));
    assert_eq!(included["participants"][1], owner);
}
