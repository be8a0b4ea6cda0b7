//! `If-Match` is never ignored: a method honours it or refuses it, as its descriptor says.

use std::collections::BTreeMap;

use super::matrix::{call, rows, side, values};
use super::targets;
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
    let side = side(stage, "conditions").await;
    let says = conditional();
    let mut wrong = Vec::new();
    for (n, row) in rows().iter().enumerate() {
        let unique = format!("if-match-{n}");
        let id = targets::make(stage, &side.tenant, row.target, &unique).await;
        let values = values(stage, row, &side, id, format!("{unique}-{}", std::process::id())).await;
        let caller = if row.public() { &stage.anonymous } else { &side.tenant.admin };
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
