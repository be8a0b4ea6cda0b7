//! What can happen in an organization: the types of events, made from the contract. Services declare their events at the messages of
//! the contract (`globcrm.common.v1.event`), and the forms of records are those of the published OpenAPI document; nothing is typed
//! here again.

mod example;
mod schema;

use proto::notifications::v1 as pb;
use serde_json::{Map, Value};
use transcode::{Api, DocumentInfo};

/// Why there is no catalogue: a defect of the program, found at its start.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The descriptors cannot be read.
    #[error("the descriptors cannot be read")]
    Descriptors(#[from] prost::DecodeError),
    /// The contract has no document.
    #[error("the contract cannot be compiled")]
    Contract(#[from] transcode::CompileError),
    /// The document is no JSON, or has no schemas.
    #[error("the document of the API cannot be read")]
    Document(#[from] serde_json::Error),
}

/// Every type of event, ready to be answered.
#[derive(Clone, Debug)]
pub struct Catalogue {
    types: Vec<pb::EventType>,
}

impl Catalogue {
    /// Makes the catalogue of the contract that is in this program.
    pub fn new() -> Result<Self, CatalogueError> {
        let info = DocumentInfo { title: "GlobCRM", version: "", description: "", server: "/" };
        let document: Value = serde_json::from_str(&Api::compile(proto::DESCRIPTORS)?.openapi(&info))?;
        let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        let types = proto::event_types()?;
        Ok(Self { types: types.iter().map(|of| described(of, &schemas)).collect() })
    }

    /// The answer of `ListEventTypes`.
    pub fn list(&self) -> pb::ListEventTypesResponse {
        pb::ListEventTypesResponse { event_types: self.types.clone() }
    }
}

fn described(of: &proto::EventType, schemas: &Map<String, Value>) -> pb::EventType {
    let schema = schema::of_event(of, schemas);
    let example = example::of(&schema);
    pb::EventType {
        r#type: of.kind.clone(),
        object: of.object().to_owned(),
        description: of.description.clone(),
        schema: schema.to_string().into(),
        example: example.to_string().into(),
    }
}

#[cfg(test)]
mod tests;
