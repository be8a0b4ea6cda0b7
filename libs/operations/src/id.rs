//! Public ids: `<service>.<uuid>`. The gateway finds the service by its name, and this is the only place where a service writes
//! or reads it.

use error::{Error, Reason};
use fleet::Role;
use ids::OperationId;
use uuid::Uuid;

pub(crate) fn public(role: Role, id: Uuid) -> String {
    format!("{}.{id}", role.name())
}

/// The id of a public id of this service. Anything else names nothing.
pub(crate) fn parse(role: Role, id: &str) -> Result<Uuid, Error> {
    let own = id.strip_prefix(role.name()).and_then(|rest| rest.strip_prefix('.'));
    own.and_then(OperationId::parse).map(OperationId::uuid).ok_or_else(not_found)
}

/// Another principal's operation answers as one that does not exist.
pub(crate) fn not_found() -> Error {
    Error::not_found(Reason::OPERATION_NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_by_its_own_service_only() {
        let id = Uuid::from_u128(0x0189_0000_0000_7000_8000_0000_0000_0000);
        let written = public(Role::Records, id);
        assert_eq!(written, "records.01890000-0000-7000-8000-000000000000");
        assert_eq!(parse(Role::Records, &written).unwrap(), id);
        let others = ["", "records", "recordsx.", "fields.", ".", "records.x"];
        let bare = id.to_string();
        let mut wrong: Vec<String> = others.iter().map(|prefix| format!("{prefix}{bare}")).collect();
        wrong.extend([
            bare,
            "records.".to_owned(),
            String::new(),
            format!("{written} "),
            written.to_uppercase(),
        ]);
        for text in wrong {
            assert_eq!(
                parse(Role::Records, &text).unwrap_err().reason(),
                Reason::OPERATION_NOT_FOUND,
                "{text}"
            );
        }
    }
}
