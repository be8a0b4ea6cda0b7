//! What the contract says of a method, known by the type of its request.

/// The request of a method; no two methods have the same. `cargo xtask proto` implements it for all of them.
pub trait Rpc {
    /// `globcrm.records.v1.RecordsService/CreateContact`.
    const NAME: &'static str;
    /// Who may call it.
    const ACCESS: Access;
}

/// A method that takes a stream is known by the messages of the stream.
impl<T: Rpc> Rpc for tonic::Streaming<T> {
    const NAME: &'static str = T::NAME;
    const ACCESS: Access = T::ACCESS;
}

/// Who may call a method. The gate decides by it, before the method's own code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without credentials.
    Public,
    /// Services, by their token.
    Internal,
    /// Every authenticated principal, as it reaches only the caller's own; an API key may need a permission for it.
    Own {
        /// What an API key needs.
        key: Option<Permission>,
    },
    /// Whoever has the permission on any row.
    Permission(Permission),
}

/// The right to do something with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `contact`; [`Permission::ANY`] for any object that has the action.
    pub object: &'static str,
    /// `create`.
    pub action: &'static str,
}

impl Permission {
    /// Stands for any object: the operation asks for the one that its request names.
    pub const ANY: &'static str = "*";
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::common::v1::MethodPolicy;
    use crate::descriptor::FileDescriptorSet;

    #[test]
    fn every_method_says_who_may_call_it_and_no_two_share_a_request() {
        let set = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let methods: Vec<_> = set.file.into_iter().flat_map(|f| f.service).flat_map(|s| s.method).collect();
        let mut wrong = Vec::new();
        for method in &methods {
            let options = method.options.clone().unwrap_or_default();
            if !is_clear(&options.policy.unwrap_or_default()) {
                wrong.push(&method.name);
            }
        }
        assert!(wrong.is_empty(), "not one of permission, own, public and internal: {wrong:?}");
        let mut requests: Vec<_> = methods.iter().map(|method| &method.input_type).collect();
        requests.sort_unstable();
        requests.dedup();
        assert!(methods.len() > 50 && requests.len() == methods.len(), "a request of two methods");
    }

    /// Exactly one of them; a public method may be one of services besides, and only an own one asks more of a key.
    fn is_clear(policy: &MethodPolicy) -> bool {
        let names_one = !policy.permission.is_empty();
        let one = [names_one, policy.own, policy.public || policy.internal];
        let is_pair = |text: &str| {
            let parts: Vec<_> = text.split('.').collect();
            parts.len() == 2 && parts.iter().all(|part| !part.is_empty())
        };
        one.iter().filter(|is| **is).count() == 1
            && (!names_one || is_pair(&policy.permission))
            && (policy.key_permission.is_empty() || policy.own && is_pair(&policy.key_permission))
    }

    #[test]
    fn a_request_knows_its_method() {
        use crate::identity::v1::{GetJwksRequest, GetMeRequest, GetSnapshotRequest, ListSessionsRequest};
        use crate::records::v1::{CreateUploadRequest, RestoreContactRequest};

        let named = |object, action| Permission { object, action };
        assert_eq!(RestoreContactRequest::NAME, "globcrm.records.v1.RecordsService/RestoreContact");
        assert_eq!(RestoreContactRequest::ACCESS, Access::Permission(named("contact", "delete")));
        let upload = <tonic::Streaming<CreateUploadRequest>>::ACCESS;
        assert_eq!(upload, Access::Permission(named(Permission::ANY, "import")));
        assert_eq!(GetJwksRequest::ACCESS, Access::Public);
        assert_eq!(GetSnapshotRequest::ACCESS, Access::Internal);
        assert_eq!(GetMeRequest::ACCESS, Access::Own { key: None });
        assert_eq!(ListSessionsRequest::ACCESS, Access::Own { key: Some(named("session", "read")) });
    }
}
