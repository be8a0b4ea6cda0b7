//! The gateway's settings.

use std::net::SocketAddr;

use config::{Reader, SecretString, Section};
use rpc::{FieldsPeer, IdentityPeer, RecordsPeer};

/// Settings of the role `GATEWAY`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the public API listens.
    pub listen: SocketAddr,
    /// The identity service.
    pub identity: IdentityPeer,
    /// The fields service.
    pub fields: FieldsPeer,
    /// The records service.
    pub records: RecordsPeer,
    /// Shared counters of the rate limits; without it every gateway counts for itself.
    pub redis_url: Option<SecretString>,
    /// Cost units a tenant may spend in a minute.
    pub tenant_per_minute: u32,
    /// Cost units a principal may spend in a minute.
    pub principal_per_minute: u32,
    /// Calls without credentials that one client address may make in a minute.
    pub anonymous_per_minute: u32,
    /// Requests in work at once; more are refused with 503.
    pub max_in_flight: usize,
    /// Take the client's address from the last entry of `X-Forwarded-For`: only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let listen = r.required("LISTEN", "Where the public API listens");
        let (identity, fields, records) = (IdentityPeer::read(r), FieldsPeer::read(r), RecordsPeer::read(r));
        let redis_url = r.optional(
            "REDIS_URL",
            "Redis for rate limits shared by all gateways; without it each counts for itself",
        );
        let tenant_per_minute =
            r.with_default("RATE_TENANT_PER_MINUTE", "60000", "Requests a tenant may make in a minute");
        let principal_per_minute = r.with_default(
            "RATE_PRINCIPAL_PER_MINUTE",
            "12000",
            "Requests a user or API key may make in a minute",
        );
        let anonymous_per_minute = r.with_default(
            "RATE_ANONYMOUS_PER_MINUTE",
            "600",
            "Requests without credentials that one client address may make in a minute",
        );
        let max_in_flight =
            r.with_default("MAX_IN_FLIGHT", "512", "Requests in work at once; more are refused with 503");
        let trust_forwarded_for = r.with_default(
            "TRUST_FORWARDED_FOR",
            "false",
            "Take the client's address from the last entry of X-Forwarded-For; only behind a proxy that sets it",
        );
        Some(Self {
            listen: listen?,
            identity: identity?,
            fields: fields?,
            records: records?,
            redis_url: redis_url?,
            tenant_per_minute: tenant_per_minute?,
            principal_per_minute: principal_per_minute?,
            anonymous_per_minute: anonymous_per_minute?,
            max_in_flight: max_in_flight?,
            trust_forwarded_for: trust_forwarded_for?,
        })
    }
}
