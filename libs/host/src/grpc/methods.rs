//! The methods this build knows, read from the compiled-in descriptors.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use proto::descriptor::FileDescriptorSet;

use crate::ServeError;

/// One method.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// `globcrm.records.v1.RecordsService/CreateContact`.
    pub(crate) name: Arc<str>,
    /// The same with a slash before it.
    pub(crate) path: Arc<str>,
    /// Either side sends a stream.
    pub(crate) streaming: bool,
    /// Only services call it, and show who they are.
    pub(crate) internal: bool,
}

/// All methods, by path.
#[derive(Debug)]
pub(crate) struct Methods {
    by_path: HashMap<String, Method>,
    services: Vec<(String, String)>,
}

impl Methods {
    /// What the build was made with.
    pub(crate) fn compiled_in() -> Result<Self, ServeError> {
        let set =
            FileDescriptorSet::decode(proto::DESCRIPTORS).map_err(|e| ServeError::Descriptors(e.into()))?;
        let (mut by_path, mut services) = (HashMap::new(), Vec::new());
        for file in set.file {
            for service in file.service {
                let full = format!("{}.{}", file.package, service.name);
                for method in service.method {
                    let name: Arc<str> = format!("{full}/{}", method.name).into();
                    let streaming = method.client_streaming || method.server_streaming;
                    let policy = method.options.and_then(|options| options.policy).unwrap_or_default();
                    // What is public besides is how a service comes to a token, and how tokens are verified.
                    let internal = policy.internal && !policy.public;
                    let path: Arc<str> = format!("/{name}").into();
                    by_path.insert(path.to_string(), Method { name, path, streaming, internal });
                }
                services.push((file.package.clone(), full));
            }
        }
        Ok(Self { by_path, services })
    }

    /// The method at a request path; `None` for one nobody knows, whose name must not become a label.
    pub(crate) fn get(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// The services of the package `globcrm.<role>.v1`.
    pub(crate) fn services_of(&self, role: &str) -> Vec<String> {
        let package = format!("globcrm.{role}.v1");
        self.services.iter().filter(|(p, _)| *p == package).map(|(_, s)| s.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_services_come_from_the_descriptors() {
        let methods = Methods::compiled_in().unwrap();
        let get = methods.get("/globcrm.records.v1.RecordsService/GetContact").unwrap();
        assert_eq!((&*get.name, get.streaming), ("globcrm.records.v1.RecordsService/GetContact", false));
        assert!(methods.get("/globcrm.records.v1.RecordsService/Nonsense").is_none());
        assert_eq!(methods.services_of("identity"), ["globcrm.identity.v1.IdentityService"]);
        assert!(methods.services_of("gateway").is_empty());
    }

    #[test]
    fn what_only_services_call_wants_their_token_but_for_the_way_to_one() {
        let methods = Methods::compiled_in().unwrap();
        let internal = |path: &str| methods.get(path).unwrap().internal;
        for rpc in ["GetSnapshot", "CheckReferences", "ExchangeApiKey", "ExchangeServiceToken"] {
            assert!(internal(&format!("/globcrm.identity.v1.IdentityService/{rpc}")), "{rpc}");
        }
        for rpc in ["GetJwks", "ExchangeServiceSecret", "Login"] {
            assert!(!internal(&format!("/globcrm.identity.v1.IdentityService/{rpc}")), "{rpc}");
        }
    }
}
