//! The gateway's settings.

use std::net::SocketAddr;

use config::{Reader, Seconds, SecretString, Section};
use fleet::Role;
use query::CursorKey;
use rpc::{Peer, ServiceSecret};

use crate::ROLE;

/// Settings of the role `GATEWAY`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the public API listens.
    pub listen: SocketAddr,
    /// The identity service.
    pub identity: Peer,
    /// The other services.
    pub services: Vec<Peer>,
    /// Proves to the services that this is the gateway.
    pub service_secret: ServiceSecret,
    /// Signs page tokens of the list of all operations, as the services do that have a part of it.
    pub cursor_key: CursorKey,
    /// Shared counters of the rate limits; without it every gateway counts for itself.
    pub redis_url: Option<SecretString>,
    /// Cost units a tenant may spend in a minute.
    pub tenant_per_minute: u32,
    /// Cost units a user may spend in a minute.
    pub principal_per_minute: u32,
    /// Cost units an API key may spend in a minute.
    pub api_key_per_minute: u32,
    /// Calls without credentials that one client address may make in a minute; all of an IPv6 /48 eight times as many.
    pub anonymous_per_minute: u32,
    /// Requests in work at once, until their answers have gone; more are refused with 503.
    pub max_in_flight: usize,
    /// Those of one tenant; more are refused with 429, as are those of the next two.
    pub max_in_flight_tenant: usize,
    /// Those of one user or API key.
    pub max_in_flight_principal: usize,
    /// Those of one client address.
    pub max_in_flight_address: usize,
    /// Uploads and downloads at once.
    pub max_transfers: usize,
    /// What the clients of the listener may hold.
    pub clients: host::http::Clients,
    /// Take the client's address from the last entry of `X-Forwarded-For`: only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let listen = r.required("LISTEN", "Where the public API listens");
        let identity = Peer::read(r, Role::Identity);
        let others = ROLE.member().calls.iter().filter(|role| **role != Role::Identity);
        let services: Vec<Option<Peer>> = others.map(|role| Peer::read(r, *role)).collect();
        let service_secret = ServiceSecret::read(r);
        let cursor_key = CursorKey::read(r);
        let redis_url = r.optional(
            "REDIS_URL",
            "Redis for rate limits shared by all gateways; without it each counts for itself",
        );
        let tenant_per_minute =
            r.with_default("RATE_TENANT_PER_MINUTE", "60000", "Requests a tenant may make in a minute");
        let principal_per_minute =
            r.with_default("RATE_PRINCIPAL_PER_MINUTE", "12000", "Requests a user may make in a minute");
        let api_key_per_minute = r.with_default(
            "RATE_API_KEY_PER_MINUTE",
            "6000",
            "Requests an API key may make in a minute, whatever its user and other keys make",
        );
        let anonymous_per_minute = r.with_default(
            "RATE_ANONYMOUS_PER_MINUTE",
            "600",
            "Requests without credentials that one client address (an IPv4 address or an IPv6 /64) may make in a minute; an IPv6 /48 as a whole may make eight times as many",
        );
        let max_in_flight =
            r.with_default("MAX_IN_FLIGHT", "512", "Requests in work at once; more are refused with 503");
        let max_in_flight_tenant = r.with_default(
            "MAX_IN_FLIGHT_TENANT",
            "192",
            "Requests in work for one tenant; the share shrinks with the square of what is free, counting what the tenant itself \
             holds; more are refused with 429",
        );
        let max_in_flight_principal = r.with_default(
            "MAX_IN_FLIGHT_PRINCIPAL",
            "128",
            "Requests in work for one user or API key, by the same rule (a sole caller reaches 88 of the default 128); more are refused with 429",
        );
        let max_in_flight_address = r.with_default(
            "MAX_IN_FLIGHT_ADDRESS",
            "256",
            "Requests of one client address in work, by the same rule; more are refused with 429",
        );
        let max_transfers = r.with_default(
            "MAX_TRANSFERS",
            "64",
            "Uploads and downloads at once; at most an eighth for one user, a quarter for one tenant, half for one address",
        );
        let trust_forwarded_for = r.with_default(
            "TRUST_FORWARDED_FOR",
            "false",
            "Take the client's address from the last entry of X-Forwarded-For; only behind a proxy that sets it",
        );
        let clients = clients(r, trust_forwarded_for == Some(true));
        Some(Self {
            listen: listen?,
            identity: identity?,
            services: services.into_iter().collect::<Option<_>>()?,
            service_secret: service_secret?,
            cursor_key: cursor_key?,
            redis_url: redis_url?,
            tenant_per_minute: tenant_per_minute?,
            principal_per_minute: principal_per_minute?,
            api_key_per_minute: api_key_per_minute?,
            anonymous_per_minute: anonymous_per_minute?,
            max_in_flight: max_in_flight?,
            max_in_flight_tenant: max_in_flight_tenant?,
            max_in_flight_principal: max_in_flight_principal?,
            max_in_flight_address: max_in_flight_address?,
            max_transfers: max_transfers?,
            clients: clients?,
            trust_forwarded_for: trust_forwarded_for?,
        })
    }
}

fn clients(r: &mut Reader<'_>, behind_proxy: bool) -> Option<host::http::Clients> {
    let connections: Option<usize> = r.with_default(
        "MAX_CONNECTIONS",
        "10000",
        "Connections of clients at once; further ones wait to be accepted",
    );
    let of_one: Option<Option<usize>> = r.optional(
        "MAX_CONNECTIONS_NETWORK",
        "Those of one peer (an IPv4 address, an IPv6 /64) while the others have none; further ones are closed. Without it a \
         tenth of MAX_CONNECTIONS; with TRUST_FORWARDED_FOR all, as the proxy is the peer of all, and the one to count clients",
    );
    let idle: Option<Seconds> = r.with_default(
        "CONNECTION_IDLE",
        "75",
        "A client's connection without a request for this time is closed",
    );
    let age: Option<Seconds> = r.with_default(
        "CONNECTION_AGE",
        "900",
        "After this time a client's connection is asked to go, and closed when its requests have ended",
    );
    let stall: Option<Seconds> = r.with_default(
        "CLIENT_STALL",
        "20",
        "A client that takes no part of its answer for this time is cut off",
    );
    let connections = connections?.max(1);
    let of_all = if behind_proxy { connections } else { connections.div_ceil(10) };
    Some(host::http::Clients {
        connections,
        connections_of_one: of_one?.unwrap_or(of_all),
        idle: idle?.0,
        age: age?.0,
        stall: stall?.0,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The defaults.
    pub(crate) fn config() -> Config {
        let peers = ROLE.member().calls.iter().map(|peer| format!("GLOBCRM_GATEWAY_{}_URL", peer.upper()));
        let peers: Vec<String> = peers.collect();
        let variables = peers.iter().map(|name| (name.as_str(), "http://peer:1"));
        let listen = ("GLOBCRM_GATEWAY_LISTEN", "127.0.0.1:0");
        let secret = ("GLOBCRM_GATEWAY_SERVICE_SECRET", "a-secret-of-the-gateway-for-its-tests");
        let cursor_key = ("GLOBCRM_GATEWAY_CURSOR_KEY", "a-key-for-page-tokens-of-the-tests");
        let env: ::config::Env = variables.chain([listen, secret, cursor_key]).collect();
        ::config::load(&env, ROLE.upper()).unwrap()
    }

    #[test]
    fn no_share_is_the_whole() {
        let config = config();
        assert!(config.max_in_flight_principal < config.max_in_flight_tenant);
        assert!(config.max_in_flight_tenant.max(config.max_in_flight_address) < config.max_in_flight);
        assert!(config.clients.connections_of_one < config.clients.connections);
    }
}
