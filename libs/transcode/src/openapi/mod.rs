//! The OpenAPI 3.1 document of the REST view: the same plans that route, check and print.

mod operation;
mod schemas;
mod writer;

use std::collections::BTreeMap;

use crate::{Api, Method};
use schemas::Schemas;
use writer::Json;

/// What the document says about the server; the rest comes from the descriptors.
#[derive(Debug, Clone, Copy)]
pub struct DocumentInfo<'a> {
    /// `info.title`.
    pub title: &'a str,
    /// `info.version`.
    pub version: &'a str,
    /// `info.description`, in CommonMark.
    pub description: &'a str,
    /// `servers[0].url`: where the paths begin, e.g. `https://crm.example.com` or `/`.
    pub server: &'a str,
}

/// Writes the document.
pub(crate) fn document(api: &Api, info: &DocumentInfo<'_>) -> String {
    let schemas = Schemas::of(api);
    let mut paths: BTreeMap<&str, Vec<&Method>> = BTreeMap::new();
    for method in &api.methods {
        paths.entry(&method.path).or_default().push(method);
    }
    let mut json = Json::default();
    json.object(|json| {
        json.key("openapi").text("3.1.0");
        json.key("info").object(|json| {
            json.texts(&[
                ("title", info.title),
                ("version", info.version),
                ("description", info.description),
            ]);
        });
        json.key("servers").array(|json| json.object(|json| json.key("url").text(info.server)));
        json.key("security").array(|json| json.object(|json| json.key("bearer").array(|_| {})));
        tags(json, api);
        json.key("paths").object(|json| {
            for (path, methods) in &mut paths {
                methods.sort_by_key(|method| method.verb);
                json.key(path).object(|json| {
                    for method in &*methods {
                        json.key(&method.verb.as_str().to_ascii_lowercase());
                        operation::write(json, api, &schemas, method);
                    }
                });
            }
        });
        components(json, &schemas);
    });
    json.finish()
}

/// One tag for each service, in the order of the descriptors.
fn tags(json: &mut Json, api: &Api) {
    json.key("tags").array(|json| {
        let mut written: Vec<&str> = Vec::new();
        for method in &api.methods {
            let tag = operation::tag(method);
            if !written.contains(&tag) {
                written.push(tag);
                json.object(|json| json.key("name").text(tag));
            }
        }
    });
}

fn components(json: &mut Json, schemas: &Schemas<'_>) {
    json.key("components").object(|json| {
        json.key("securitySchemes").object(|json| {
            json.key("bearer").object(|json| {
                json.texts(&[
                    ("type", "http"),
                    ("scheme", "bearer"),
                    ("description", "An access token or an API key."),
                ]);
            });
        });
        json.key("responses").object(|json| {
            json.key("Problem").object(|json| {
                json.key("description").text("Refused or failed; the body says why (RFC 9457).");
                json.key("content").object(|json| {
                    json.key("application/problem+json").object(|json| {
                        json.key("schema")
                            .object(|json| json.key("$ref").text("#/components/schemas/Problem"));
                    });
                });
            });
        });
        json.key("schemas").object(|json| {
            problem(json);
            schemas.write_all(json);
        });
    });
}

/// The members that problems have in common; each kind may add its own.
fn problem(json: &mut Json) {
    json.key("Problem").object(|json| {
        json.texts(&[("type", "object"), ("description", "A problem document (RFC 9457).")]);
        json.key("properties").object(|json| {
            let mut member = |name: &str, kind: &str, description: &str| {
                json.key(name).object(|json| json.texts(&[("type", kind), ("description", description)]));
            };
            member("type", "string", "The page that explains the reason, relative to the gateway's address.");
            member("title", "string", "The kind of problem in words.");
            member("status", "integer", "The HTTP status.");
            member("code", "string", "The gRPC code, e.g. `INVALID_ARGUMENT`.");
            member("reason", "string", "What programs tell problems apart by, e.g. `VALIDATION_FAILED`.");
            member("detail", "string", "This problem in words.");
            member("instance", "string", "The request's id as a URN.");
            json.key("errors").object(|json| {
                json.texts(&[
                    ("type", "array"),
                    ("description", "All violations of the stage that refused."),
                ]);
                json.key("items").object(|json| {
                    json.key("type").text("object");
                    json.key("properties").object(|json| {
                        for (name, description) in [
                            ("pointer", "A JSON pointer into the body sent."),
                            ("parameter", "The query parameter."),
                            ("reason", "What programs tell violations apart by."),
                            ("detail", "The violation in words."),
                        ] {
                            json.key(name).object(|json| {
                                json.texts(&[("type", "string"), ("description", description)]);
                            });
                        }
                    });
                    json.key("required").array(|json| json.text("reason"));
                });
            });
        });
        json.key("required")
            .array(|json| ["type", "title", "status", "reason"].iter().for_each(|n| json.text(n)));
    });
}
