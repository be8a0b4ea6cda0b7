//! What a call logs says whose call it was: for every method that the descriptors have.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use proto::descriptor::FileDescriptorSet;
use serde_json::{Value, json};
use testkit::fleet::Role;
use tonic::metadata::MetadataMap;

use crate::stage::{PASSWORD, Stage, text};
use crate::waiting;

const WRITTEN: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(10);

/// Trade a secret for a token: before that nobody is known.
const TRADES: [&str; 3] = ["ExchangeApiKey", "ExchangeServiceToken", "ResolveCalendarFeed"];

/// A method, and whose line is looked for.
struct Asked {
    role: Role,
    rpc: String,
    request_id: String,
    trace_id: String,
    /// The caller is known when the call ends.
    has_tenant: bool,
}

/// The lines of the role that end a call, by request.
fn ends(stage: &Stage, role: Role) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(stage.fleet.log(role)).expect("a log");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ends = lines.filter(|line| line["message"] == "call");
    ends.filter_map(|line| Some((line["request_id"].as_str()?.to_owned(), line))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_every_call_has_its_tenant_its_request_and_its_trace() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("lines").await;
    let bearer = format!("Bearer {}", tenant.access_token);
    let login = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug), "password": PASSWORD});
    let session = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
    let other = format!("Bearer {}", text(&session["access_token"]));
    let service_token = stage.service_token(Role::Gateway).await;
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let mut asked = Vec::new();
    for role in Role::ALL {
        let Some(service) = role.member().service else { continue };
        let url = format!("http://127.0.0.1:{}", stage.ports.grpc[&role]);
        let channel = rpc::connect(&url, "the asked").expect("a channel");
        let services = set.file.iter().flat_map(|file| file.service.iter().map(move |s| (file, s)));
        let (_, descriptor) = services
            .into_iter()
            .find(|(file, s)| format!("{}.{}", file.package, s.name) == service)
            .expect("the service");
        for method in &descriptor.method {
            let request_id = format!("line-{}-{}", role.name(), method.name);
            let trace_id = format!("{:032x}", asked.len() + 1);
            let traceparent = format!("00-{trace_id}-b7ad6b7169203331-01");
            let mut metadata = MetadataMap::new();
            for (name, value) in [
                // One of them ends its session.
                ("authorization", if method.name == "Logout" { other.as_str() } else { bearer.as_str() }),
                ("x-service-token", service_token.as_str()),
                ("x-client-address", "192.0.2.1"),
                ("x-request-id", request_id.as_str()),
                ("traceparent", traceparent.as_str()),
            ] {
                metadata.insert(name, value.parse().expect("a header"));
            }
            // Nothing is asked for, so most are refused; whose call it was is known by then.
            let path = format!("/{service}/{}", method.name);
            drop(rpc::raw::unary(&channel, &path, metadata, Bytes::new(), DEADLINE).await);
            let policy = method.options.clone().unwrap_or_default().policy.unwrap_or_default();
            let has_tenant = !policy.public && !TRADES.contains(&method.name.as_str());
            asked.push(Asked {
                role,
                rpc: format!("{service}/{}", method.name),
                request_id,
                trace_id,
                has_tenant,
            });
        }
    }
    assert!(asked.len() > 80, "{}", asked.len());
    waiting::outcome(WRITTEN, "the lines", async || {
        let lines: BTreeMap<Role, _> = Role::ALL
            .into_iter()
            .filter(|r| r.member().service.is_some())
            .map(|r| (r, ends(stage, r)))
            .collect();
        let missing = asked.iter().find(|asked| !lines[&asked.role].contains_key(&asked.request_id));
        missing.map_or(Ok(()), |asked| Err(format!("no line of {}", asked.rpc)))
    })
    .await;
    let mut wrong = Vec::new();
    for asked in &asked {
        let line = &ends(stage, asked.role)[&asked.request_id];
        let tenant_id = if asked.has_tenant { Value::from(tenant.id.clone()) } else { Value::Null };
        if (&line["trace_id"], &line["rpc.method"])
            != (&Value::from(asked.trace_id.clone()), &Value::from(asked.rpc.clone()))
            || line["tenant_id"] != tenant_id
        {
            wrong.push(line.to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
