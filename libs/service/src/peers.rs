//! The way to other services.

use auth::{Gate, Verifier};
use config::Hot;
use fleet::Member;
use host::{Process, ServeError};
use rpc::identity::Identity;
use rpc::{Channel, Peer, ServiceSecret, ServiceToken};
use tls::FleetTls;

/// What a service asks others with.
#[derive(Debug)]
pub struct Peers {
    /// What every service asks of identity.
    pub identity: Identity,
    /// Admits calls by identity's keys and snapshots.
    pub gate: Gate,
    token: ServiceToken,
    tls: Hot<FleetTls>,
}

impl Peers {
    pub(crate) fn new(
        process: &Process,
        member: &Member,
        identity: &Peer,
        secret: ServiceSecret,
        tls: Hot<FleetTls>,
    ) -> Result<Self, ServeError> {
        let (name, clock) = (member.names.name, process.clock.clone());
        let channel = open(identity, &tls)?;
        let token = ServiceToken::keep(process, channel.clone(), name, secret.clone());
        let acts = member.acts_for_principals.then_some((name, secret));
        let identity = Identity::new(channel.showing(&token), acts, clock.clone());
        let gate = Gate::new(Verifier::new(clock), identity.fetch_keys(), identity.fetch_snapshot());
        Ok(Self { identity, gate, token, tls })
    }

    /// A channel to another service that shows who calls.
    pub fn connect(&self, peer: &Peer) -> Result<Channel, ServeError> {
        Ok(open(peer, &self.tls)?.showing(&self.token))
    }
}

fn open(peer: &Peer, tls: &Hot<FleetTls>) -> Result<Channel, ServeError> {
    peer.connect(tls).map_err(|e| ServeError::start(peer.role.name(), e))
}
