//! Pipelines over REST: as a client sees them.

use reqwest::Method;
use serde_json::{Value, json};

use super::audit_log::entries;
use crate::client::Client;
use crate::journey::writing::finished;
use crate::stage::{Stage, text};

async fn pipeline(admin: &Client, body: Value) -> Value {
    admin.post("/api/v1/pipelines", body).await.expect(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_goes_out_and_comes_back_as_it_was() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("documents").await;
    let admin = &tenant.admin;
    let templates = admin.get("/api/v1/pipeline-templates").await.expect(200);
    let templates = templates["templates"].as_array().expect("a list");
    let keys: Vec<&str> = templates.iter().filter_map(|template| template["key"].as_str()).collect();
    let known = ["b2b_sales", "saas_subscription", "real_estate", "recruiting", "consulting", "fundraising"];
    assert_eq!(keys, known);
    let document = &templates[3]["document"];
    assert_eq!(
        document["stages"][0],
        json!({"key": "applied", "name": "Applied", "color": "#8FA3BF", "kind": "open", "probability": 5,
               "rotting_days": 7, "wip_limit": null, "required_fields": []})
    );
    assert_eq!(document["rules"], json!({"moves": "any", "allow_skipping": false, "allow_backwards": true}));
    listened(admin).await;
    let made = pipeline(admin, json!({"name": "Jobs", "document": document})).await;
    let path = format!("/api/v1/pipelines/{}", text(&made["id"]));
    assert_eq!(
        (&made["object"], &made["state"], &made["is_default"]),
        (&json!("deal"), &json!("active"), &json!(false))
    );
    assert_eq!((&made["published_version"], &made["next_version"]), (&json!(1), &Value::Null));
    assert!(made["stages"][0]["id"].is_string());
    // What the pipeline shows can be sent as a draft: ids are ours and are passed over.
    let draft = admin.get(&format!("{path}/draft")).await;
    let etag = draft.header("etag").expect("the version of the pipeline").to_owned();
    let draft = draft.expect(200);
    assert_eq!((&draft["stages"], &draft["problems"]), (&document["stages"], &json!([])));
    let same = json!({"stages": made["stages"], "rules": made["rules"], "transitions": made["transitions"]});
    admin.put(&format!("{path}/draft"), same).await.expect(200);
    admin.post(&format!("{path}:publish"), json!({})).await.refused(409, "NOTHING_TO_PUBLISH");

    let mut changed = document.clone();
    changed["stages"][0]["name"] = json!("Sent in");
    changed["stages"][1]["kind"] = Value::Null;
    let put = |body: &Value| {
        admin.call(Method::PUT, &format!("{path}/draft")).header("if-match", &etag).json(body).send()
    };
    let draft = put(&changed).await.expect(200);
    put(&changed).await.refused(412, "VERSION_STALE");
    assert_eq!(draft["problems"][0]["pointer"], "/stages/1/kind");
    let refused = admin.post(&format!("{path}:publish"), json!({})).await.refused(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/stages/1/kind");
    changed["stages"][1]["kind"] = json!("open");
    admin.put(&format!("{path}/draft"), changed).await.expect(200);
    let impact = admin.get(&format!("{path}:impact")).await.expect(200);
    assert_eq!(impact["renamed_stages"], json!([{"key": "applied", "from": "Applied", "to": "Sent in"}]));
    let published = admin.post(&format!("{path}:publish"), json!({"note": "clearer"})).await.expect(200);
    assert_eq!(
        (&published["published_version"], &published["stages"][0]["name"]),
        (&json!(2), &json!("Sent in"))
    );
    let versions = admin.get(&format!("{path}/versions")).await.expect(200);
    let numbers: Vec<&Value> =
        versions["versions"].as_array().expect("a list").iter().map(|version| &version["number"]).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(versions["versions"][0]["note"], "clearer");
    let first = admin.get(&format!("{path}/versions/1")).await.expect(200);
    assert_eq!(first["stages"], made["stages"]);
    for unknown in ["0", "3", "x", "99999999999"] {
        admin.get(&format!("{path}/versions/{unknown}")).await.refused(404, "PIPELINE_VERSION_NOT_FOUND");
    }

    let found = entries(&tenant, &text(&made["id"]), 4).await;
    let actions: Vec<&str> = found.iter().filter_map(|entry| entry["action"].as_str()).collect();
    let (create, draft, publish) =
        ("pipeline.pipeline.create", "pipeline.pipeline.draft", "pipeline.pipeline.publish");
    assert_eq!(actions, [create, draft, draft, publish]);
}

/// Waits until identity listens to pipelines: what is said before its queue is bound for the first time, nobody hears.
async fn listened(admin: &Client) {
    let all = admin.get("/api/v1/pipelines").await.expect(200);
    let sales = format!("/api/v1/pipelines/{}", text(&all["pipelines"][0]["id"]));
    let mut n = 0;
    crate::waiting::until(std::time::Duration::from_secs(30), "pipelines are heard of", async || {
        n += 1;
        admin.patch(&sales, json!({"name": format!("Sales {n}")})).await.expect(200);
        let log = admin.get("/api/v1/audit-log?action=pipeline.pipeline.update").await.expect(200);
        log["entries"].as_array().is_some_and(|entries| !entries.is_empty())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_its_first_pipeline_without_asking_for_it() {
    let stage = Stage::shared().await;
    listened(&stage.tenant("before-first").await.admin).await;
    let tenant = stage.tenant("first-pipeline").await;
    let sales = tenant.admin.get("/api/v1/pipelines?state=active").await.expect(200);
    let sales = sales["pipelines"].as_array().expect("a list");
    assert_eq!((sales.len(), &sales[0]["name"], &sales[0]["is_default"]), (1, &json!("Sales"), &json!(true)));
    tenant
        .admin
        .post(&format!("/api/v1/pipelines/{}:archive", text(&sales[0]["id"])), json!({}))
        .await
        .refused(409, "PIPELINE_IS_DEFAULT");
    // The event of the sign-up makes no second one, whenever it comes.
    crate::waiting::until(
        std::time::Duration::from_secs(30),
        "the event of the sign-up has come",
        async || heard(stage, &tenant.id).await,
    )
    .await;
    let again = tenant.admin.get("/api/v1/pipelines").await.expect(200);
    assert_eq!(again["pipelines"].as_array().map(Vec::len), Some(1));
}

/// Whether the consumer has taken an event of the tenant.
async fn heard(stage: &Stage, tenant: &str) -> bool {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pipeline.inbox WHERE tenant_id = $1::text::uuid AND consumer = 'pipeline.first_pipelines')",
    );
    query.bind(tenant).fetch_one(&mut stage.sql().await).await.expect("the inbox")
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_asked_by_parameters_and_refuse_the_wrong_ones_by_name() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("reports").await;
    let admin = &tenant.admin;
    let made = pipeline(admin, json!({"name": "Jobs", "template": "consulting"})).await;
    let id = text(&made["id"]);
    let deal = json!({"name": "A", "pipeline_id": id, "amount": {"amount_minor": 1_001, "currency": "EUR"}, "expected_close_date": "2031-05-06"});
    let created = admin.post("/api/v1/deals", deal).await.expect(201);
    let report = async |name: &str, more: &str| {
        admin.get(&format!("/api/v1/reports/{name}?pipeline_id={id}{more}")).await
    };
    let funnel = report("funnel", "").await;
    assert_eq!(funnel.header("x-request-cost"), Some("5"));
    let funnel = funnel.expect(200);
    let first = &funnel["stages"][0];
    assert_eq!(
        (&first["stage"]["key"], &first["entered"], &first["still_there"]),
        (&made["stages"][0]["key"], &json!(1), &json!(1))
    );
    assert_eq!((first["conversion_rate"].as_f64(), &first["median_seconds"]), (Some(0.0), &Value::Null));
    assert_eq!(funnel["stages"][1]["conversion_rate"], Value::Null);
    assert_eq!((&funnel["won"], &funnel["lost"]), (&json!(0), &json!(0)));
    let forecast = report("forecast", "&period=quarter&filter=amount%3A*").await.expect(200);
    let weighted = created["weighted_amount"].clone();
    assert_eq!(
        forecast,
        json!({"periods": [{"start": "2031-04-01", "open": [{"amount_minor": 1_001, "currency": "EUR"}], "weighted": [weighted], "won": [], "count": 1}]})
    );
    let nothing = json!({"won": 0, "lost": 0, "rate": null, "lost_reasons": []});
    assert_eq!(
        report("win-loss", "&from=2026-01-01&to=2026-02-01T00:00:00%2B01:00").await.expect(200),
        nothing
    );
    let velocity = report("velocity", "").await.expect(200);
    assert_eq!(velocity["won"], json!({"count": 0, "median_days": null, "p90_days": null}));
    // Before the deal was there.
    let before = report("funnel", "&as_of=2026-01-01T00:00:00Z").await.expect(200);
    assert_eq!(before["stages"][0]["entered"], json!(0));
    for (name, more, status, place) in [
        ("forecast", "&period=decade", 400, "period"),
        ("funnel", "&as_of=yesterday", 400, "as_of"),
        ("funnel", "&as_of=9999-01-01T00:00:00Z", 422, "as_of"),
        ("win-loss", "&from=2026-02-30", 422, "from"),
        ("velocity", "&from=2026-02-02&to=2026-02-01", 422, "to"),
    ] {
        let refused = report(name, more).await.expect(status);
        let pointer = text(&refused["errors"][0]["pointer"]);
        assert_eq!(pointer.trim_start_matches('/'), place);
    }
}

/// A reason is sent with a change of the stage, by which call ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_stage_brings_its_reason() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("reasons").await;
    let admin = &tenant.admin;
    let document = json!({
        "stages": [
            {"key": "new", "name": "New", "kind": "open", "probability": 10},
            {"key": "won", "name": "Won", "kind": "won"},
            {"key": "lost", "name": "Lost", "kind": "lost"},
        ],
        "rules": {"moves": "any", "allow_skipping": true, "allow_backwards": true},
        "transitions": [{"from": null, "to": "lost", "requires_reason": true}],
    });
    let made = pipeline(admin, json!({"name": "Reasons", "document": document})).await;
    let lost = &made["stages"][2]["id"];
    let deal = async || {
        let body = json!({"name": "A", "pipeline_id": made["id"]});
        text(&admin.post("/api/v1/deals", body).await.expect(201)["id"])
    };
    let reason = async |id: &str| {
        let history = admin.get(&format!("/api/v1/deals/{id}/stage-history")).await.expect(200);
        history["entries"][1]["reason"].clone()
    };
    let id = deal().await;
    let refused = admin.patch(&format!("/api/v1/deals/{id}"), json!({"stage_id": lost})).await.expect(422);
    assert_eq!(refused["errors"][0]["reason"], "REASON_REQUIRED");
    let body = json!({"stage_id": lost, "stage_reason": "price"});
    admin.patch(&format!("/api/v1/deals/{id}"), body).await.expect(200);
    assert_eq!(reason(&id).await, "price");

    let id = deal().await;
    let change = json!({"object": "deals", "ids": [id], "action": "move",
                        "changes": {"stage_id": lost, "reason": "budget"}});
    let queued = admin.post("/api/v1/bulk-operations", change).await.expect(202);
    let over = finished(admin, &text(&queued["operation"]["id"])).await;
    assert_eq!(over["result"]["updated"], 1, "{over}");
    assert_eq!(reason(&id).await, "budget");
}
