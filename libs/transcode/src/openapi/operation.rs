//! One operation: parameters, body, answers, security.

use super::schemas::{Form, Schemas, body_form};
use super::writer::Json;
use crate::plan::Body;
use crate::router::Verb;
use crate::rules;
use crate::{Api, Method};

/// `globcrm.records.v1.RecordsService` -> `records`.
pub(super) fn tag(method: &Method) -> &str {
    method.service.split('.').nth(1).unwrap_or(&method.service)
}

/// `CreateContact` -> `createContact`; a further binding of the same RPC has its number behind it.
fn operation_id(api: &Api, method: &Method) -> String {
    let mut id = method.rpc.clone();
    if let Some(first) = id.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let same_name = |other: &&Method| other.rpc == method.rpc;
    let before = api.methods.iter().filter(same_name).position(|other| std::ptr::eq(other, method));
    match before {
        Some(at @ 1..) => format!("{id}{}", at + 1),
        _ => id,
    }
}

pub(super) fn write(json: &mut Json, api: &Api, schemas: &Schemas<'_>, method: &Method) {
    json.object(|json| {
        json.key("operationId").text(&operation_id(api, method));
        json.key("tags").array(|json| json.text(tag(method)));
        if !method.doc.is_empty() {
            json.key("summary").text(method.doc.lines().next().unwrap_or_default());
            json.key("description").text(&method.doc);
        }
        if let Some(permission) = &method.permission {
            json.key("x-permission").text(permission);
        }
        if method.public {
            json.key("security").array(|_| {});
        }
        parameters(json, api, schemas, method);
        request_body(json, schemas, method);
        json.key("responses").object(|json| responses(json, schemas, method));
    });
}

fn parameters(json: &mut Json, api: &Api, schemas: &Schemas<'_>, method: &Method) {
    let message = &api.schema.messages[method.request.message];
    json.key("parameters").array(|json| {
        for (at, name) in method.request.path.iter().zip(&method.request.path_names) {
            let field = &message.fields[*at];
            json.object(|json| {
                json.texts(&[("name", name), ("in", "path")]);
                json.key("required").boolean(true);
                if !field.doc.is_empty() {
                    json.key("description").text(&field.doc);
                }
                json.key("schema");
                schemas.write_parameter(json, field);
            });
        }
        for at in &method.request.query {
            let field = &message.fields[*at];
            json.object(|json| {
                json.texts(&[("name", &field.name), ("in", "query")]);
                if rules::check_absent(field).is_err() {
                    json.key("required").boolean(true);
                }
                if !field.doc.is_empty() {
                    json.key("description").text(&field.doc);
                }
                json.key("schema");
                schemas.write_parameter(json, field);
            });
        }
        if method.idempotent {
            header(json, "Idempotency-Key", "The same key and body give the first answer again.");
        }
        if method.conditional {
            header(json, "If-Match", "The `ETag` the change starts from; a stale one is refused with 412.");
        }
    });
}

fn header(json: &mut Json, name: &str, description: &str) {
    json.object(|json| {
        json.texts(&[("name", name), ("in", "header"), ("description", description)]);
        json.key("schema").object(|json| json.key("type").text("string"));
    });
}

fn request_body(json: &mut Json, schemas: &Schemas<'_>, method: &Method) {
    if method.byte_stream && method.client_streaming {
        json.key("requestBody").object(|json| {
            json.key("required").boolean(true);
            json.key("content").object(bytes);
        });
        return;
    }
    if !method.takes_json() {
        return;
    }
    json.key("requestBody").object(|json| {
        // An absent body is the empty object.
        json.key("required").boolean(matches!(method.request.body, Body::Field { .. }));
        let media = if method.request.merges {
            ["application/json", "application/merge-patch+json"].as_slice()
        } else {
            &["application/json"]
        };
        json.key("content").object(|json| {
            for media in media {
                json.key(media).object(|json| {
                    json.key("schema");
                    let plan = &method.request;
                    if let Body::Field { message, .. } = plan.body {
                        let reference = schemas.reference(message, body_form(method));
                        json.object(|json| json.key("$ref").text(&reference));
                    } else {
                        let taken: Vec<usize> = plan.path.iter().copied().chain(plan.update_mask).collect();
                        schemas.write_object(json, plan.message, body_form(method), &taken);
                    }
                });
            }
        });
    });
}

fn bytes(json: &mut Json) {
    json.key("application/octet-stream").object(|json| json.key("schema").object(|_| {}));
}

fn responses(json: &mut Json, schemas: &Schemas<'_>, method: &Method) {
    json.key(&method.success_status.to_string()).object(|json| {
        json.key("description").text(if method.success_status == 204 { "Done." } else { "The answer." });
        let headers = [
            ("Location", "The path of what was made.", method.response.location.is_some()),
            ("ETag", "The version of the record.", method.response.version.is_some()),
        ];
        if method.success_status == 204 {
            return;
        }
        if headers.iter().any(|(_, _, shown)| *shown) {
            json.key("headers").object(|json| {
                for (name, description, _) in headers.iter().filter(|(_, _, shown)| *shown) {
                    json.key(name).object(|json| {
                        json.key("description").text(description);
                        json.key("schema").object(|json| json.key("type").text("string"));
                    });
                }
            });
        }
        json.key("content").object(|json| {
            if method.byte_stream && method.server_streaming {
                bytes(json);
                return;
            }
            json.key("application/json").object(|json| {
                let reference = schemas.reference(method.response.printed(), Form::Output);
                json.key("schema").object(|json| json.key("$ref").text(&reference));
            });
        });
    });
    let body = method.takes_json() || (method.byte_stream && method.client_streaming);
    let changes = method.verb != Verb::Get;
    for (status, shown) in [
        ("400", true),
        ("401", !method.public || method.secret_answer),
        ("403", method.permission.is_some()),
        ("404", !method.request.path.is_empty()),
        ("409", changes),
        ("412", method.conditional),
        ("413", body),
        ("415", body),
        ("422", body),
        ("429", true),
        ("default", true),
    ] {
        if shown {
            json.key(status).object(|json| json.key("$ref").text("#/components/responses/Problem"));
        }
    }
}
