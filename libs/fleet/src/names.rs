//! The names that follow from a service's own.

/// Names of a service and of its parts. All of them are static, for settings, tasks and metrics are known by static names.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// `records`: argument of the binary, folder, process, schema, source of events and package (`globcrm.records.v1`).
    pub name: &'static str,
    /// `RECORDS`: in the names of variables.
    pub upper: &'static str,
    /// As a sentence names it: `the gateway`.
    pub title: &'static str,
    /// The setting by which others find it, and what that is.
    pub url: [&'static str; 2],
    /// The setting of its secret in identity, and what that is.
    pub secret: [&'static str; 2],
    /// The setting of the secret before that one.
    pub previous_secret: &'static str,
    /// The task of its relay.
    pub relay: &'static str,
    /// The task that measures what waits of its events.
    pub event_metrics: &'static str,
    /// The task and the consumer that follow changes of permissions.
    pub permissions: &'static str,
    /// The task that drops definitions of custom fields as they change.
    pub definitions: &'static str,
    /// The task and the consumer that listen to new custom fields.
    pub new_fields: &'static str,
    /// The task that removes for good what is in the trash.
    pub purge: &'static str,
    /// The task and the consumer that listen to state changes of other services' records.
    pub peer_records: &'static str,
    /// The task that applies them to the records here that name those.
    pub reconcile: &'static str,
    /// The task that compares what is derived of records with its source.
    pub derived: &'static str,
    /// The task that removes operations that were over long ago.
    pub operations: &'static str,
}

/// The [`Names`] of a service: in lower case, in upper case, and in a sentence.
macro_rules! names {
    ($name:literal, $upper:literal, $title:literal) => {
        Names {
            name: $name,
            upper: $upper,
            title: $title,
            url: [concat!($upper, "_URL"), concat!("gRPC address of the ", $name, " service")],
            secret: [
                concat!("SERVICE_SECRET_", $upper),
                concat!("What ", $title, " proves itself with: its GLOBCRM_", $upper, "_SERVICE_SECRET"),
            ],
            previous_secret: concat!("SERVICE_SECRET_", $upper, "_PREVIOUS"),
            relay: concat!($name, ".relay"),
            event_metrics: concat!($name, ".event_metrics"),
            permissions: concat!($name, ".permissions"),
            definitions: concat!($name, ".definitions"),
            new_fields: concat!($name, ".new_fields"),
            purge: concat!($name, ".purge"),
            peer_records: concat!($name, ".peer_records"),
            reconcile: concat!($name, ".reconcile"),
            derived: concat!($name, ".derived"),
            operations: concat!($name, ".operations"),
        }
    };
}

pub(crate) use names;
