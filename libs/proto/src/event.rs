//! The catalogue of event types: the messages say by their option `globcrm.common.v1.event` what happens to what they stand for.

use prost::{DecodeError, Message};

use crate::DESCRIPTORS;
use crate::descriptor::FileDescriptorSet;

/// A type of event, as the contract has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// `records.contact.created.v1`.
    pub kind: String,
    /// When it comes.
    pub description: String,
    /// `globcrm.records.v1`: the package of the message that declares it.
    pub package: String,
    /// `Contact`: that message.
    pub message: String,
}

impl EventType {
    /// What it is about: `contact`.
    pub fn object(&self) -> &str {
        self.kind.split('.').nth(1).unwrap_or_default()
    }
}

/// Every type of event, by name. Decodes the descriptors: keep the answer.
pub fn event_types() -> Result<Vec<EventType>, DecodeError> {
    let set = FileDescriptorSet::decode(DESCRIPTORS)?;
    let messages =
        set.file.iter().flat_map(|file| file.message_type.iter().map(move |message| (file, message)));
    let mut types: Vec<EventType> = messages
        .flat_map(|(file, message)| {
            let events = message.options.iter().flat_map(|options| &options.events);
            events.map(move |event| EventType {
                kind: event.r#type.clone(),
                description: event.description.clone(),
                package: file.package.clone(),
                message: message.name.clone(),
            })
        })
        .collect();
    types.sort_by(|a, b| a.kind.cmp(&b.kind));
    Ok(types)
}
