//! What every service asks of identity.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use auth::{Context, FetchKeys, FetchSnapshot};
use cache::{Fresh, Held, Terms};
use error::{Code, Error, Reason};
use ids::{Clock, RoleId, TeamId, TenantId, UserId};
use proto::common::v1::RecordName;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use uuid::Uuid;

use crate::{Channel, Idempotent, ServiceSecret};

/// An API key's token is held this long at most: so long a revoked key can still be traded by this instance.
const API_KEY_HOLD: Duration = Duration::from_secs(30);
/// A token is not handed out in the last part of its life, so that it lives through the calls made with it.
const BEFORE_END: Duration = Duration::from_secs(60);

/// Tokens held at once, of services and of API keys.
const MAX_HELD: usize = 10_000;
/// A channel ends its calls after two seconds; whatever else of a fetch hangs ends here.
const FETCH_DEADLINE: Duration = Duration::from_secs(3);

/// A client of identity. Cheap to clone; clones share the tokens held.
#[derive(Clone, Debug)]
pub struct Identity {
    client: IdentityServiceClient<Channel>,
    tokens: Arc<Tokens>,
}

/// What an API key, or another secret of a client, is known by without keeping it: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    pub fn of(api_key: &SecretString) -> Self {
        Self(Sha256::digest(api_key.expose_secret().as_bytes()).into())
    }

    /// An id for what is counted of a secret by itself.
    pub fn id(&self) -> Uuid {
        let [first, ..] = self.0.as_chunks::<16>().0 else { return Uuid::nil() };
        Uuid::from_bytes(*first)
    }
}

struct Tokens {
    /// The service's name and secret, when it acts for itself.
    own: Option<(&'static str, ServiceSecret)>,
    service: Held<(TenantId, Uuid), SecretString, Error>,
    /// By SHA-256 of the key: the key itself is not kept.
    api_key: Held<KeyDigest, SecretString, Error>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// The ids that do not exist in the caller's tenant, in the order asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Users.
    pub users: Vec<UserId>,
    /// Teams.
    pub teams: Vec<TeamId>,
}

impl Identity {
    /// A client. `own` is the name (`records`) and secret of a service that also acts for itself; `None` for one that never
    /// does (the gateway).
    pub fn new(channel: Channel, own: Option<(&'static str, ServiceSecret)>, clock: Clock) -> Self {
        let tokens = Tokens { own, service: tokens(&clock), api_key: tokens(&clock) };
        Self { client: IdentityServiceClient::new(channel), tokens: Arc::new(tokens) }
    }

    /// For [`auth::Gate::new`].
    pub fn fetch_keys(&self) -> FetchKeys {
        let client = self.client.clone();
        Arc::new(move || {
            let mut client = client.clone();
            Box::pin(async move { Ok(client.get_jwks(pb::GetJwksRequest {}).await?.into_inner().keys) })
        })
    }

    /// For [`auth::Gate::new`].
    pub fn fetch_snapshot(&self) -> FetchSnapshot {
        let client = self.client.clone();
        Arc::new(move |token, if_version| {
            let mut client = client.clone();
            Box::pin(async move {
                let mut request = Request::new(pb::GetSnapshotRequest { if_version });
                authorize(&mut request, &token)?;
                Ok(client.get_snapshot(request).await?.into_inner())
            })
        })
    }

    /// Which of these users and teams do not exist in the caller's tenant. Nothing asked, nothing sent.
    pub async fn check_references(
        &self,
        cx: &Context,
        users: &[UserId],
        teams: &[TeamId],
    ) -> Result<Unknown, Error> {
        if users.is_empty() && teams.is_empty() {
            return Ok(Unknown::default());
        }
        let asked = pb::CheckReferencesRequest {
            user_ids: users.iter().map(ToString::to_string).collect(),
            team_ids: teams.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let answer = self.references(cx, asked).await?;
        Ok(Unknown {
            users: users
                .iter()
                .copied()
                .filter(|u| answer.unknown_user_ids.contains(&u.to_string()))
                .collect(),
            teams: teams
                .iter()
                .copied()
                .filter(|t| answer.unknown_team_ids.contains(&t.to_string()))
                .collect(),
        })
    }

    /// The users of the caller's tenant who have these addresses, in their canonical form. Nothing asked, nothing sent.
    pub async fn users_by_email(
        &self,
        cx: &Context,
        addresses: Vec<String>,
    ) -> Result<Vec<(String, UserId)>, Error> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let asked = pb::CheckReferencesRequest { user_emails: addresses, ..Default::default() };
        let found = self.references(cx, asked).await?.user_ids_by_email.into_iter();
        Ok(found.filter_map(|(address, id)| Some((address, UserId::parse(&id)?))).collect())
    }

    /// Which of these roles do not exist in the caller's tenant. Nothing asked, nothing sent.
    pub async fn unknown_roles(&self, cx: &Context, roles: &[RoleId]) -> Result<Vec<RoleId>, Error> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let role_ids = roles.iter().map(ToString::to_string).collect();
        let asked = pb::CheckReferencesRequest { role_ids, ..Default::default() };
        let unknown = self.references(cx, asked).await?.unknown_role_ids;
        Ok(unknown.iter().filter_map(|id| RoleId::parse(id)).collect())
    }

    /// The names of users of the caller's tenant, as far as the caller may read them. Nothing asked, nothing sent.
    pub async fn user_names(&self, cx: &Context, users: &[UserId]) -> Result<Vec<RecordName>, Error> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let user_ids = users.iter().map(ToString::to_string).collect();
        let mut request = Request::new(pb::GetUserNamesRequest { user_ids });
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().get_user_names(request).await?.into_inner().names)
    }

    async fn references(
        &self,
        cx: &Context,
        asked: pb::CheckReferencesRequest,
    ) -> Result<pb::CheckReferencesResponse, Error> {
        let mut request = Request::new(asked);
        cx.forward(request.metadata_mut())?;
        Ok(self.client.clone().check_references(request).await?.into_inner())
    }

    /// A token of this service that acts in `tenant` for the user or API key `act_for`. Held until a minute before its end;
    /// permissions are those of `act_for` at every use, whatever the token's age.
    pub async fn service_token(&self, tenant: TenantId, act_for: Uuid) -> Result<SecretString, Error> {
        let Some((service, ServiceSecret(secret))) = &self.tokens.own else {
            return Err(Error::internal("this process has no service secret"));
        };
        let fetch = async {
            let mut request = Request::new(pb::ExchangeServiceTokenRequest {
                service: (*service).to_owned(),
                secret: secret.expose_secret().to_owned(),
                tenant_id: tenant.to_string(),
                act_for: act_for.to_string(),
            });
            request.extensions_mut().insert(Idempotent);
            let answer = self.client.clone().exchange_service_token(request).await?.into_inner();
            Ok((SecretString::from(answer.access_token), holdable(answer.expires_in)))
        };
        self.tokens.service.get((tenant, act_for), Fresh::Held, |_| fetch).await
    }

    /// Trades an API key for an access token; held for 30 s at most.
    pub async fn exchange_api_key(&self, api_key: SecretString) -> Result<SecretString, Error> {
        let digest = KeyDigest::of(&api_key);
        let fetch = async {
            let mut request =
                Request::new(pb::ExchangeApiKeyRequest { api_key: api_key.expose_secret().to_owned() });
            request.extensions_mut().insert(Idempotent);
            let answer = self.client.clone().exchange_api_key(request).await?.into_inner();
            let keep = holdable(answer.expires_in).min(API_KEY_HOLD);
            Ok((SecretString::from(answer.access_token), keep))
        };
        self.tokens.api_key.get(digest, Fresh::Held, |_| fetch).await
    }

    /// Whose calendar a token opens. Errors: 404 `CALENDAR_FEED_NOT_FOUND`.
    pub async fn calendar_owner(&self, token: SecretString) -> Result<(TenantId, Uuid), Error> {
        let mut request =
            Request::new(pb::ResolveCalendarFeedRequest { token: token.expose_secret().to_owned() });
        request.extensions_mut().insert(Idempotent);
        let answer = self.client.clone().resolve_calendar_feed(request).await?.into_inner();
        let owner = TenantId::parse(&answer.tenant_id).zip(UserId::parse(&answer.user_id));
        let (tenant, user) = owner.ok_or_else(|| Error::internal("identity names nobody"))?;
        Ok((tenant, user.uuid()))
    }

    /// The token of an API key that was traded a moment ago. Asks nobody.
    pub fn held_api_key(&self, digest: &KeyDigest) -> Option<SecretString> {
        self.tokens.api_key.held(digest)
    }

    /// The generated client, for the calls without a wrapper. Callers put [`Context::forward`] on their requests.
    pub fn client(&self) -> IdentityServiceClient<Channel> {
        self.client.clone()
    }
}

/// Tokens that end by the machine's clock, as those who verify them judge by it.
fn tokens<K: Clone + Eq + Hash>(clock: &Clock) -> Held<K, SecretString, Error> {
    let clock = clock.clone();
    let time = Arc::new(move || (clock.now() - OffsetDateTime::UNIX_EPOCH).unsigned_abs());
    let late = || Error::new(Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, "the service did not answer");
    let again = |error: &Error, _| Some(error.again());
    Held::timed_by(
        time,
        Terms { limit: MAX_HELD, deadline: FETCH_DEADLINE, late, again, stale_if_error: None },
    )
}

/// How long a token with `seconds` to live may be handed out.
fn holdable(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).saturating_sub(BEFORE_END)
}

fn authorize<T>(request: &mut Request<T>, token: &SecretString) -> Result<(), Error> {
    let mut value =
        AsciiMetadataValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(Error::internal)?;
    value.set_sensitive(true);
    request.metadata_mut().insert("authorization", value);
    Ok(())
}
