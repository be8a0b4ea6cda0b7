//! The objects whose records can be followed.

use auth::Context;
use error::{Error, Reason};
use fleet::Role;

/// An object whose records can be followed.
#[derive(Debug)]
pub struct Synced {
    /// `contact`: in `types`, permissions and events.
    pub object: &'static str,
    /// The service that keeps its records.
    pub role: Role,
    /// The path of its list, which the catalogue of the REST API turns into the RPC.
    pub path: &'static str,
    /// The member of that list's answer that has the records.
    pub member: &'static str,
    /// What is said while the service does not answer.
    pub down: Reason,
}

/// All of them, by name.
pub static SYNCED: [Synced; 5] = [
    Synced {
        object: "activity",
        role: Role::Activities,
        path: "/api/v1/activities",
        member: "activities",
        down: Reason::ACTIVITIES_UNAVAILABLE,
    },
    Synced {
        object: "company",
        role: Role::Records,
        path: "/api/v1/companies",
        member: "companies",
        down: Reason::RECORDS_UNAVAILABLE,
    },
    Synced {
        object: "contact",
        role: Role::Records,
        path: "/api/v1/contacts",
        member: "contacts",
        down: Reason::RECORDS_UNAVAILABLE,
    },
    Synced {
        object: "deal",
        role: Role::Pipeline,
        path: "/api/v1/deals",
        member: "deals",
        down: Reason::PIPELINE_UNAVAILABLE,
    },
    Synced {
        object: "note",
        role: Role::Activities,
        path: "/api/v1/notes",
        member: "notes",
        down: Reason::ACTIVITIES_UNAVAILABLE,
    },
];

/// The object of this name.
pub(super) fn named(name: &str) -> Option<&'static Synced> {
    SYNCED.iter().find(|synced| synced.object == name)
}

/// Reads `types`: in the order of their names, each once; `None` where it is empty. Errors: 400 `SYNC_TYPE_UNKNOWN`.
pub(super) fn read(types: &str) -> Result<Option<Vec<&'static Synced>>, Error> {
    if types.trim().is_empty() {
        return Ok(None);
    }
    let wanted: Vec<&str> = types.split(',').map(str::trim).collect();
    if let Some(unknown) = wanted.iter().find(|name| named(name).is_none()) {
        let known: Vec<&str> = SYNCED.iter().map(|synced| synced.object).collect();
        let text = format!("{unknown:?} cannot be followed; types are {}", known.join(", "));
        return Err(Error::malformed(Reason::SYNC_TYPE_UNKNOWN, text).with_metadata("parameter", "types"));
    }
    Ok(Some(SYNCED.iter().filter(|synced| wanted.contains(&synced.object)).collect()))
}

/// What a caller follows who begins: the types that it names, each of which it must be allowed to read, or all that it may read. Errors: 403
/// `PERMISSION_DENIED`.
pub(super) fn to_follow(
    cx: &Context,
    named: Option<Vec<&'static Synced>>,
) -> Result<Vec<&'static Synced>, Error> {
    match named {
        Some(named) => {
            for synced in &named {
                cx.authorize(synced.object, "read")?;
            }
            Ok(named)
        }
        None => {
            let all: Vec<_> =
                SYNCED.iter().filter(|synced| cx.snapshot.allows(synced.object, "read")).collect();
            if all.is_empty() { Err(Error::permission_denied("*", "read")) } else { Ok(all) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_with_records_can_be_followed_by_the_list_that_it_has() {
        let with_records = proto::OBJECTS.iter().filter(|object| object.has_custom);
        let with_records: Vec<_> = with_records.map(|object| (object.name, object.package)).collect();
        let package = |role: Role| format!("globcrm.{}.v1", role.name());
        let synced: Vec<_> = SYNCED.iter().map(|synced| (synced.object, package(synced.role))).collect();
        let synced: Vec<_> = synced.iter().map(|(object, package)| (*object, package.as_str())).collect();
        assert_eq!(synced, with_records);
        let api = transcode::Api::compile(proto::DESCRIPTORS).unwrap();
        for synced in &SYNCED {
            let list = api
                .methods()
                .iter()
                .find(|method| method.path == synced.path && method.verb.as_str() == "GET");
            assert_eq!(list.unwrap().permission.as_deref(), Some(format!("{}.read", synced.object).as_str()));
        }
    }

    #[test]
    fn types_are_read_in_one_order_and_unknown_ones_are_named() {
        let names =
            |types: &str| read(types).unwrap().map(|all| all.iter().map(|s| s.object).collect::<Vec<_>>());
        assert_eq!(names(" "), None);
        assert_eq!(names("deal,contact, deal"), Some(vec!["contact", "deal"]));
        let refused = read("contact,spaceship").unwrap_err();
        assert_eq!(refused.reason(), "SYNC_TYPE_UNKNOWN");
        assert!(refused.message().contains("spaceship"), "{}", refused.message());
        assert_eq!(read("contact,").unwrap_err().reason(), "SYNC_TYPE_UNKNOWN");
    }
}
