//! `If-Match` is never ignored: a method honours it or refuses it, as its descriptor says.

use std::collections::BTreeMap;

use super::matrix::{call, make, rows, values};
use crate::stage::Stage;

/// Whether each RPC says that it honours `If-Match`.
fn conditional() -> BTreeMap<String, bool> {
    use prost::Message;
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let methods = set.file.into_iter().flat_map(|file| file.service).flat_map(|service| service.method);
    let says = |options: Option<proto::descriptor::MethodOptions>| options?.policy.map(|p| p.conditional);
    methods.map(|method| (method.name, says(method.options).unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_honours_if_match_or_refuses_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("conditions").await;
    let says = conditional();
    let mut wrong = Vec::new();
    for (n, row) in rows().iter().enumerate() {
        let unique = format!("if-match-{n}");
        let id = make(stage, &tenant, row, &unique).await;
        let values = values(stage, row, &tenant, id, format!("{unique}-{}", std::process::id())).await;
        let caller = if row.is_public() { &stage.anonymous } else { &tenant.admin };
        // A version that nothing has.
        let answer = call(row, &caller.with_header("if-match", "\"999999\""), &values).await;
        let expected = if says[row.rpc] { (412, "VERSION_STALE") } else { (400, "IF_MATCH_NOT_SUPPORTED") };
        let reason = answer.json()["reason"].as_str().unwrap_or_default().to_owned();
        if (answer.status, reason.as_str()) != expected {
            wrong.push(format!("{} {}: {} {}", row.rpc, row.path, answer.status, answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
