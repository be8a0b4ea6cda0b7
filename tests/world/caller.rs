//! Somebody who calls a service.

use std::ops::Deref;

use tonic::Request;

use super::gate::Principal;

/// Somebody at an instance of a service. A suite adds the calls that it makes often; what is known of the caller itself, its
/// tenant and its id for example, is `who`, and is reached through the caller.
#[derive(Clone)]
pub struct Caller<S, P = Principal> {
    pub service: S,
    pub who: P,
}

impl<S: Clone, P: Clone> Caller<S, P> {
    /// The same caller, at another instance.
    pub fn at(&self, service: &S) -> Self {
        Self { service: service.clone(), who: self.who.clone() }
    }
}

impl<S, P> Deref for Caller<S, P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.who
    }
}

/// A request with a bearer token, as the gateway sends it.
pub fn request<T>(token: &str, body: T, headers: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(body);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}
