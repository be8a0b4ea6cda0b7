//! The one list of services that the suites about the whole go through: a new service is a line here.

use db::Migrations;
use fleet::{FLEET, Role};

use crate::isolation::matrix::{self, Table};

/// What the suites about the whole know of a service.
pub struct Service {
    pub role: Role,
    pub migrations: Migrations,
    /// The objects whose statements are built of their fields.
    pub objects: &'static [&'static record::Object],
    /// Its part of the isolation matrix.
    pub matrix: fn() -> Table,
    /// A path below `/api/v1` to which a POST with this body makes something new, once for each `Idempotency-Key`; `None` of
    /// a service that has no such call.
    pub makes: Option<(&'static str, &'static str)>,
}

pub const SERVICES: [Service; 6] = [
    Service {
        role: Role::Identity,
        migrations: identity::MIGRATIONS,
        objects: &[],
        matrix: matrix::identity::table,
        makes: Some(("/teams", r#"{"name": "{unique}"}"#)),
    },
    Service {
        role: Role::Fields,
        migrations: fields::MIGRATIONS,
        objects: &[],
        matrix: matrix::fields::table,
        makes: Some(("/objects/contact/fields", r#"{"key": "{unique}", "label": "New", "type": "text"}"#)),
    },
    Service {
        role: Role::Records,
        migrations: records::MIGRATIONS,
        objects: records::OBJECTS,
        matrix: matrix::records::table,
        makes: Some(("/contacts", r#"{"last_name": "{unique}"}"#)),
    },
    Service {
        role: Role::Pipeline,
        migrations: pipeline::MIGRATIONS,
        objects: pipeline::OBJECTS,
        matrix: matrix::pipeline::table,
        makes: Some(("/pipelines", r#"{"name": "{unique}", "template": "consulting"}"#)),
    },
    Service {
        role: Role::Activities,
        migrations: activities::MIGRATIONS,
        objects: activities::OBJECTS,
        matrix: matrix::activities::table,
        makes: Some(("/notes", r#"{"body": "{unique}"}"#)),
    },
    Service {
        role: Role::Notifications,
        migrations: notifications::MIGRATIONS,
        objects: &[],
        matrix: matrix::notifications::table,
        makes: None,
    },
];

/// The schemas of all of them.
pub const MIGRATIONS: [Migrations; SERVICES.len()] = {
    let mut all = [SERVICES[0].migrations; SERVICES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = SERVICES[at].migrations;
        at += 1;
    }
    all
};

/// The roles of the fleet that `pick` says yes to are those of the list.
#[track_caller]
pub fn lists_all(pick: impl Fn(&fleet::Member) -> bool) {
    let fleet = FLEET.iter().filter(|member| pick(member)).map(|member| member.role);
    let listed: Vec<_> = SERVICES.iter().map(|service| service.role).collect();
    assert_eq!(listed, fleet.collect::<Vec<_>>(), "tests/services.rs and libs/fleet differ");
}
