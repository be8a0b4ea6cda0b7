//! What a caller learns of a refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tonic::{Response, Status};

/// A refusal, with all that goes over the wire: equal refusals are equal bytes.
pub struct Refusal {
    status: Status,
    error: error::Error,
}

impl Refusal {
    /// The status of HTTP that the gateway would answer.
    pub fn http(&self) -> u16 {
        self.error.code().http(self.error.reason())
    }

    pub fn reason(&self) -> &str {
        self.error.reason()
    }

    pub fn message(&self) -> &str {
        self.error.message()
    }

    /// Status and reason.
    pub fn is(&self) -> (u16, &str) {
        (self.http(), self.reason())
    }

    /// Pointer and reason of every violation.
    pub fn violations(&self) -> Vec<(&str, &str)> {
        self.error.violations().iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect()
    }

    /// Where the violations are.
    pub fn pointers(&self) -> Vec<&str> {
        self.violations().into_iter().map(|(pointer, _)| pointer).collect()
    }

    /// What the violations are for.
    pub fn reasons(&self) -> Vec<&str> {
        self.violations().into_iter().map(|(_, reason)| reason).collect()
    }

    /// What a client is told besides, by its name.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        self.error.metadata()
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.error.retry_after()
    }

    /// The problem document.
    pub fn problem(&self) -> Value {
        serde_json::from_slice(&error::Problem::new(&self.error, "0").to_json()).unwrap()
    }

    /// The keys of the stages that a refused move could go to.
    pub fn allowed(&self) -> Vec<String> {
        let problem = self.problem();
        let stages = problem["allowed"].as_array().map(Vec::as_slice).unwrap_or_default();
        stages.iter().map(|stage| stage["key"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Everything that goes over the wire but the code.
    pub fn bytes(&self) -> (String, Vec<u8>) {
        (self.status.message().to_owned(), self.status.details().to_vec())
    }
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        (self.status.code(), self.bytes()) == (other.status.code(), other.bytes())
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self { error: error::Error::from(status.clone()), status }
    }
}

impl std::error::Error for Refusal {}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {:?}", self.http(), self.reason(), self.message(), self.violations())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The message of an answer.
pub fn done<T>(answer: Result<Response<T>, Status>) -> Result<T, Refusal> {
    answer.map(Response::into_inner).map_err(Refusal::from)
}
