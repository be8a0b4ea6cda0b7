//! What a call without credentials carries, and the token of a call that does not go through the gate.

use auth::Call;
use error::{Error, Reason};
use secrecy::SecretString;
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::network;

/// A call that anybody may make.
#[derive(Clone, Debug)]
pub(crate) struct PublicCall {
    pub(crate) call: Call,
    /// The client's network by the address that the gateway saw; empty when nobody told one, which is one network, too.
    pub(crate) network: String,
}

impl PublicCall {
    /// Splits a request. Errors: 400 for a malformed header.
    pub(crate) fn read<T>(request: Request<T>) -> Result<(Self, T), Error> {
        let (metadata, _, body) = request.into_parts();
        let call = Call::read(&metadata)?;
        let address = metadata.get(host::grpc::CLIENT_ADDRESS).and_then(|v| v.to_str().ok());
        let network = address.and_then(network::of).unwrap_or_default();
        Ok((Self { call, network }, body))
    }
}

/// The bearer token of a call. Errors: 401 `CREDENTIALS_MISSING`.
pub(crate) fn bearer(metadata: &MetadataMap) -> Result<SecretString, Error> {
    let value = metadata.get("authorization").and_then(|v| v.to_str().ok());
    value
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
        .map(|(_, token)| SecretString::from(token))
        .ok_or_else(|| Error::unauthenticated(Reason::CREDENTIALS_MISSING, "an access token is needed"))
}
