//! The OpenAPI document.

use serde_json::Value;
use testkit::Workspace;

use crate::stage::Stage;

#[tokio::test]
async fn the_committed_openapi_document_is_the_one_that_is_served() {
    let file = Workspace::here().expect("the workspace").root().join("docs/openapi.json");
    let committed = std::fs::read_to_string(&file).expect("docs/openapi.json: `cargo xtask docs` writes it");
    let committed: Value = serde_json::from_str(&committed).expect("JSON");
    let served = Stage::shared().await.anonymous.get("/api/v1/openapi.json").await.expect(200);
    let paths =
        |document: &Value| document["paths"].as_object().map(|p| p.keys().cloned().collect::<Vec<_>>());
    assert_eq!(paths(&committed), paths(&served), "`cargo xtask docs` writes it anew");
    assert!(
        committed == served,
        "docs/openapi.json is not what is served; `cargo xtask docs` writes it anew"
    );
}
