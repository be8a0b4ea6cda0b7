//! Where a user has logged in before: devices, by a token that is exchanged at each login, and networks.
//!
//! What is known goes past the brake that is on the account as a whole, so that nobody locks an owner out by guessing: a device
//! always, a network with the right password. It is no credential: a password is asked for all the same, and a known device has a
//! brake of its own.

pub(crate) mod store;

use std::time::Duration;

use db::{DbError, TenantTx};
use error::Error;
use ids::TenantId;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::secrets::{self, Kind, Presented};

/// What was not used for this long is known no longer.
const KEPT: Duration = Duration::from_secs(180 * 86_400);
/// Devices of a user, and networks, that are known; of more, the latest.
const MOST: i64 = 20;

/// What the service knows of where a login comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Unknown,
    /// The user has logged in from this network.
    Network,
    /// The user has logged in on this device.
    Device(Uuid),
}

/// Where the login of `user` comes from. Asks the same of the database whether there is a user or not.
pub(crate) async fn of(
    tx: &mut TenantTx,
    user: Option<Uuid>,
    network: &str,
    presented: Option<&Presented>,
    now: OffsetDateTime,
) -> Result<Place, DbError> {
    let tenant = tx.tenant_id();
    let presented = presented.filter(|p| p.tenant.uuid() == tenant);
    let device = store::device(tx, presented.map(|p| p.id).unwrap_or_default(), now).await?;
    let user = user.unwrap_or_default();
    let known = store::is_network(tx, user, &network_key(tenant, user, network), now).await?;
    let fits = |p: &Presented, d: &store::Device| {
        d.user_id == user
            && (p.matches(&d.secret_hash) || d.previous_hash.as_deref().is_some_and(|h| p.matches(h)))
    };
    Ok(match (presented, device) {
        (Some(presented), Some(device)) if fits(presented, &device) => Place::Device(presented.id),
        _ if known => Place::Network,
        _ => Place::Unknown,
    })
}

/// Notes where a user has just proved who they are; the token by which the device is known next time.
pub(crate) async fn remember(
    app: &App,
    tx: &mut TenantTx,
    user: Uuid,
    network: Option<&str>,
    place: Place,
    now: OffsetDateTime,
) -> Result<String, Error> {
    let tenant = tx.tenant_id();
    // No network was told: then it is everybody's.
    if let Some(network) = network.filter(|n| !n.is_empty()) {
        store::put_network(tx, user, &network_key(tenant, user, network), now, now + KEPT).await?;
    }
    let id = match place {
        Place::Device(id) => id,
        Place::Network | Place::Unknown => app.clock.new_uuid(),
    };
    let token = secrets::make(Kind::Device, TenantId::from(tenant), id, &app.entropy)?;
    store::put_device(tx, id, user, &token.hash, now, now + KEPT).await?;
    store::keep_latest(tx, user, MOST).await?;
    Ok(token.text.expose_secret().to_owned())
}

fn network_key(tenant: Uuid, user: Uuid, network: &str) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(tenant.as_bytes());
    hasher.update(user.as_bytes());
    hasher.update(network);
    hasher.finalize().to_vec()
}
