//! How one RPC is called, and what its callers get.

use reqwest::Method;
use serde_json::{Value, json};

use super::target::Target;

/// How one RPC is called, and what its own caller gets.
pub struct Row {
    pub rpc: &'static str,
    pub verb: Method,
    /// `{id}` stands for the target.
    pub path: &'static str,
    pub target: Option<&'static Target>,
    pub body: Body,
    /// What else the body or the path names, made in the caller's tenant: the place, and the thing.
    pub with: Vec<(&'static str, &'static Target)>,
    /// The status of the positive control.
    pub ok: u16,
    /// What a principal without any permission gets; 0 where nobody needs credentials.
    pub without_permission: u16,
    /// Who makes the positive control.
    pub by: By,
}

/// A body.
pub enum Body {
    None,
    /// `{id}`, `{unique}`, `{key}` (the same without hyphens), `{slug}` and the places of [`Row::with`] are filled in.
    Json(Value),
    /// Of this content type.
    Bytes(&'static str, &'static [u8]),
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Admin,
    /// Somebody who may be changed by the call.
    Member,
    /// The administrator in a session that the call may end.
    Session,
}

fn row(rpc: &'static str, verb: Method, path: &'static str, body: Body, ok: u16) -> Row {
    Row { rpc, verb, path, target: None, body, with: Vec::new(), ok, without_permission: 403, by: By::Admin }
}

pub fn get(rpc: &'static str, path: &'static str) -> Row {
    row(rpc, Method::GET, path, Body::None, 200)
}

/// With an empty object as its body.
pub fn post(rpc: &'static str, path: &'static str) -> Row {
    row(rpc, Method::POST, path, Body::Json(json!({})), 200)
}

pub fn patch(rpc: &'static str, path: &'static str) -> Row {
    row(rpc, Method::PATCH, path, Body::Json(json!({})), 200)
}

pub fn put(rpc: &'static str, path: &'static str) -> Row {
    row(rpc, Method::PUT, path, Body::Json(json!({})), 200)
}

pub fn delete(rpc: &'static str, path: &'static str) -> Row {
    row(rpc, Method::DELETE, path, Body::None, 204)
}

impl Row {
    /// What `{id}` names.
    pub fn of(self, target: &'static Target) -> Self {
        Self { target: Some(target), ..self }
    }

    pub fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    pub fn bytes(self, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { body: Body::Bytes(content_type, bytes), ..self }
    }

    /// What stands for `place`, in braces, too.
    pub fn with(mut self, place: &'static str, thing: &'static Target) -> Self {
        self.with.push((place, thing));
        self
    }

    /// The status of the positive control, where it is not 200, or 204 of a removal.
    pub fn answers(self, ok: u16) -> Self {
        Self { ok, ..self }
    }

    /// Any authenticated principal may call it and gets this; what is not its own is not found.
    pub fn open(self, without_permission: u16) -> Self {
        Self { without_permission, ..self }
    }

    /// Anybody may call it.
    pub fn public(self) -> Self {
        self.open(0)
    }

    pub fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    pub fn is_public(&self) -> bool {
        self.without_permission == 0
    }

    /// What a foreign id gets, where the RPC names a record.
    pub fn foreign(&self) -> Option<u16> {
        self.target?;
        // The id stands in the path, or in the body.
        Some(if self.path.contains("{id}") { 404 } else { 422 })
    }
}
