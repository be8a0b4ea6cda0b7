#![doc = include_str!("../README.md")]

mod names;

use serde::{Deserialize, Serialize};

pub use names::Names;
use names::names;

/// A service of the fleet, callees before callers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `globcrm identity`
    Identity,
    /// `globcrm fields`
    Fields,
    /// `globcrm records`
    Records,
    /// `globcrm pipeline`
    Pipeline,
    /// `globcrm activities`
    Activities,
    /// `globcrm notifications`
    Notifications,
    /// `globcrm gateway`
    Gateway,
}

/// What the rest of the house must know of a service.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its place in the list.
    pub role: Role,
    /// What it and its parts are called.
    pub names: Names,
    /// What it is about, as the end of a sentence.
    pub about: &'static str,
    /// The full name of the gRPC service that it serves. The gateway serves none.
    pub service: Option<&'static str>,
    /// It has a schema of its own, named as it is, with roles and migrations.
    pub has_schema: bool,
    /// It has long-running work of its own: RPCs of operations, whose public ids begin with its name.
    pub has_operations: bool,
    /// It has an operation that fills the index of a custom field whose records have values already.
    pub fills_indexes: bool,
    /// The services whose RPCs it calls.
    pub calls: &'static [Role],
    /// It may act for a principal whose own token has ended: its jobs go on after the call that began them.
    pub acts_for_principals: bool,
}

/// Every service, in the order of [`Role`].
pub const FLEET: &[Member] = &[
    Member {
        role: Role::Identity,
        names: names!("identity", "IDENTITY", "identity"),
        about: "users, roles, sessions and keys",
        service: Some("globcrm.identity.v1.IdentityService"),
        has_schema: true,
        has_operations: false,
        fills_indexes: false,
        calls: &[],
        acts_for_principals: false,
    },
    Member {
        role: Role::Fields,
        names: names!("fields", "FIELDS", "fields"),
        about: "custom-field definitions",
        service: Some("globcrm.fields.v1.FieldsService"),
        has_schema: true,
        has_operations: false,
        fills_indexes: false,
        calls: &[Role::Identity],
        acts_for_principals: false,
    },
    Member {
        role: Role::Records,
        names: names!("records", "RECORDS", "records"),
        about: "contacts, companies and imports",
        service: Some("globcrm.records.v1.RecordsService"),
        has_schema: true,
        has_operations: true,
        fills_indexes: true,
        calls: &[Role::Identity, Role::Fields],
        acts_for_principals: true,
    },
    Member {
        role: Role::Pipeline,
        names: names!("pipeline", "PIPELINE", "pipeline"),
        about: "pipelines and deals",
        service: Some("globcrm.pipeline.v1.PipelineService"),
        has_schema: true,
        has_operations: true,
        fills_indexes: false,
        calls: &[Role::Identity, Role::Fields, Role::Records],
        acts_for_principals: true,
    },
    Member {
        role: Role::Activities,
        names: names!("activities", "ACTIVITIES", "activities"),
        about: "activities and notes",
        service: Some("globcrm.activities.v1.ActivitiesService"),
        has_schema: true,
        has_operations: true,
        fills_indexes: false,
        calls: &[Role::Identity, Role::Fields, Role::Records, Role::Pipeline],
        acts_for_principals: true,
    },
    Member {
        role: Role::Notifications,
        names: names!("notifications", "NOTIFICATIONS", "notifications"),
        about: "the journal of events and changes to follow",
        service: Some("globcrm.notifications.v1.NotificationsService"),
        has_schema: true,
        has_operations: false,
        fills_indexes: false,
        calls: &[Role::Identity, Role::Records, Role::Pipeline, Role::Activities],
        acts_for_principals: false,
    },
    Member {
        role: Role::Gateway,
        names: names!("gateway", "GATEWAY", "the gateway"),
        about: "the public REST API",
        service: None,
        has_schema: false,
        has_operations: false,
        fills_indexes: false,
        calls: &[
            Role::Identity,
            Role::Fields,
            Role::Records,
            Role::Pipeline,
            Role::Activities,
            Role::Notifications,
        ],
        acts_for_principals: false,
    },
];

impl Member {
    /// Whether it calls other services, and so has a secret to prove itself with.
    pub const fn proves_itself(&self) -> bool {
        !self.calls.is_empty()
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; FLEET.len()] = {
        let mut all = [Self::Identity; FLEET.len()];
        let mut at = 0;
        while at < FLEET.len() {
            assert!(FLEET[at].role as usize == at, "FLEET is not in the order of Role");
            all[at] = FLEET[at].role;
            at += 1;
        }
        // The gateway calls all others, so it is the last.
        assert!(FLEET.len() == Self::Gateway as usize + 1, "a role has no entry in FLEET");
        all
    };

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Its entry.
    pub const fn member(self) -> &'static Member {
        &FLEET[self as usize]
    }

    /// What it and its parts are called.
    pub const fn names(self) -> &'static Names {
        &self.member().names
    }

    /// `records`.
    pub const fn name(self) -> &'static str {
        self.names().name
    }

    /// `RECORDS`, as in the names of variables.
    pub const fn upper(self) -> &'static str {
        self.names().upper
    }
}
