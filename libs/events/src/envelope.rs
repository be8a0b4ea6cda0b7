//! The envelope: CloudEvents 1.0, structured protobuf, made once and never encoded again.

use std::collections::BTreeMap;

use auth::PrincipalKind;
use ids::TenantId;
use prost::Message;
use proto::events::v1::cloud_event::Data;
use proto::events::v1::cloud_event_attribute_value::Attr;
use proto::events::v1::{CloudEvent, CloudEventAttributeValue, FieldChange, RecordEvent};
use time::OffsetDateTime;
use uuid::Uuid;

/// The largest envelope, bytes. Beyond it the values of the changes are left out ([`Event::values_omitted`]).
pub(crate) const MAX_ENVELOPE: usize = 1 << 20;

/// Which queue of the relay an event takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A person waits for it.
    #[default]
    Interactive,
    /// Imports, purges, replays: gets at most one fifth while interactive events wait.
    Bulk,
}

impl Lane {
    /// Both lanes, by number.
    pub(crate) const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// The number in tables.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Interactive => 0,
            Self::Bulk => 1,
        }
    }

    /// The name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// One changed field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field's name, `custom.<key>` for custom fields.
    pub field: String,
    /// The value before as JSON; `None` when the record was new.
    pub before: Option<String>,
    /// The value after as JSON; `None` when the record is gone.
    pub after: Option<String>,
}

/// An event as an operation states it. Never put a secret into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// UUIDv7 from the clock.
    pub id: Uuid,
    /// The service, which is the schema: `records`.
    pub service: &'static str,
    /// The object in the singular: `contact`.
    pub object: &'static str,
    /// What happened: `created`.
    pub verb: &'static str,
    /// The record.
    pub record_id: Uuid,
    /// The record's version after the change.
    pub version: i64,
    /// The principal that made the change.
    pub actor: Uuid,
    /// What that is; `None` where a job made the change in its name, or the service does not say.
    pub actor_kind: Option<PrincipalKind>,
    /// The owner after the change.
    pub owner: Option<Uuid>,
    /// The team after the change.
    pub team: Option<Uuid>,
    /// Changed fields.
    pub changes: Vec<Change>,
    /// Interactive unless a batch made it.
    pub lane: Lane,
    /// W3C trace context of the call.
    pub traceparent: Option<String>,
    /// When it happened.
    pub time: OffsetDateTime,
}

impl NewEvent {
    /// `records.contact.created.v1`.
    pub fn kind(&self) -> String {
        format!("{}.{}.{}.v1", self.service, self.object, self.verb)
    }

    /// The final bytes of the envelope for `tenant`.
    pub(crate) fn encode(&self, tenant: Uuid) -> Vec<u8> {
        let full = self.encode_with(tenant, true);
        if full.len() <= MAX_ENVELOPE { full } else { self.encode_with(tenant, false) }
    }

    fn encode_with(&self, tenant: Uuid, values: bool) -> Vec<u8> {
        let id_text = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
        let json =
            |value: &Option<String>| value.clone().filter(|_| values).unwrap_or_default().into_bytes().into();
        let data = RecordEvent {
            object: self.object.to_owned(),
            record_id: self.record_id.to_string(),
            version: self.version,
            actor_id: self.actor.to_string(),
            actor_kind: self.actor_kind.map_or_else(String::new, |kind| kind.name().to_owned()),
            owner_id: id_text(self.owner),
            team_id: id_text(self.team),
            changes: self
                .changes
                .iter()
                .map(|c| FieldChange {
                    field: c.field.clone(),
                    before: json(&c.before),
                    after: json(&c.after),
                })
                .collect(),
        };
        let time = proto::timestamp(self.time);
        let text = |text: String| Attr::CeString(text);
        // An ordered map: the bytes of an event are the same whoever makes them.
        let mut attributes = BTreeMap::from([
            ("datacontenttype", text("application/protobuf".to_owned())),
            ("dataschema", Attr::CeUri("globcrm.events.v1.RecordEvent".to_owned())),
            ("partitionkey", text(self.record_id.to_string())),
            ("recordedtime", Attr::CeTimestamp(time)),
            // Zero-padded, because CloudEvents compares sequences as text.
            ("sequence", text(format!("{:020}", self.version.max(0)))),
            ("subject", text(format!("{}/{}", self.object, self.record_id))),
            ("tenantid", text(tenant.to_string())),
            ("time", Attr::CeTimestamp(time)),
        ]);
        if let Some(traceparent) = &self.traceparent {
            attributes.insert("traceparent", text(traceparent.clone()));
        }
        if !values {
            attributes.insert("valuesomitted", Attr::CeBoolean(true));
        }
        let attribute =
            |(name, attr): (&str, Attr)| (name.to_owned(), CloudEventAttributeValue { attr: Some(attr) });
        let envelope = CloudEvent {
            id: self.id.to_string(),
            source: format!("/globcrm/{}", self.service),
            spec_version: "1.0".to_owned(),
            r#type: self.kind(),
            attributes: attributes.into_iter().map(attribute).collect(),
            data: Some(Data::BinaryData(data.encode_to_vec().into())),
        };
        envelope.encode_to_vec()
    }
}

/// An event as a consumer reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's id.
    pub id: Uuid,
    /// `records.contact.created.v1`.
    pub kind: String,
    /// The tenant.
    pub tenant: TenantId,
    /// `contact`.
    pub object: String,
    /// The record.
    pub record_id: Uuid,
    /// The record's version after the change.
    pub version: i64,
    /// The principal that made the change.
    pub actor: Uuid,
    /// What that is; `None` where a job made the change in its name, or the service does not say.
    pub actor_kind: Option<PrincipalKind>,
    /// The owner after the change.
    pub owner: Option<Uuid>,
    /// The team after the change.
    pub team: Option<Uuid>,
    /// Changed fields.
    pub changes: Vec<Change>,
    /// The changes name fields only: the values were too large. Fetch the record.
    pub values_omitted: bool,
    /// When it happened.
    pub time: OffsetDateTime,
    /// W3C trace context of the call that caused it.
    pub traceparent: Option<String>,
}

/// The bytes are no event of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf.
    #[error("not an envelope")]
    Envelope(#[from] prost::DecodeError),
    /// An attribute is missing or wrong.
    #[error("attribute {0} is missing or wrong")]
    Attribute(&'static str),
}

impl Event {
    /// Reads an envelope.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        use DecodeError::Attribute;
        let envelope = CloudEvent::decode(bytes)?;
        if envelope.spec_version != "1.0" {
            return Err(Attribute("specversion"));
        }
        let id = Uuid::try_parse(&envelope.id).map_err(|_| Attribute("id"))?;
        let attr = |name: &str| envelope.attributes.get(name).and_then(|value| value.attr.as_ref());
        let text = |name: &str| match attr(name) {
            Some(Attr::CeString(text)) => Some(text.as_str()),
            _ => None,
        };
        let tenant = text("tenantid").and_then(TenantId::parse).ok_or(Attribute("tenantid"))?;
        let time = match attr("time") {
            Some(Attr::CeTimestamp(at)) => proto::moment(at),
            _ => None,
        }
        .ok_or(Attribute("time"))?;
        let Some(Data::BinaryData(data)) = &envelope.data else { return Err(Attribute("data")) };
        let data = RecordEvent::decode(data.as_ref())?;
        let id_of = |text: &str, name| match text {
            "" => Ok(None),
            text => Uuid::try_parse(text).map(Some).map_err(|_| Attribute(name)),
        };
        let json = |bytes: &[u8]| match bytes {
            [] => Ok(None),
            bytes => String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Attribute("changes")),
        };
        let traceparent = text("traceparent").map(str::to_owned);
        let values_omitted = matches!(attr("valuesomitted"), Some(Attr::CeBoolean(true)));
        Ok(Self {
            id,
            tenant,
            time,
            traceparent,
            values_omitted,
            record_id: id_of(&data.record_id, "record_id")?.ok_or(Attribute("record_id"))?,
            actor: id_of(&data.actor_id, "actor_id")?.ok_or(Attribute("actor_id"))?,
            actor_kind: PrincipalKind::named(&data.actor_kind),
            owner: id_of(&data.owner_id, "owner_id")?,
            team: id_of(&data.team_id, "team_id")?,
            changes: data
                .changes
                .into_iter()
                .map(|c| Ok(Change { before: json(&c.before)?, after: json(&c.after)?, field: c.field }))
                .collect::<Result<_, DecodeError>>()?,
            kind: envelope.r#type,
            object: data.object,
            version: data.version,
        })
    }

    /// The change of `field`, when it changed.
    pub fn change(&self, field: &str) -> Option<&Change> {
        self.changes.iter().find(|change| change.field == field)
    }

    /// What happened: `created`.
    pub fn verb(&self) -> &str {
        self.kind.split('.').nth(2).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
