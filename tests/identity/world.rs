//! An identity service with its database, a clock that the test moves, and organisations that sign up in it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use config::SecretString;
use identity::{
    App, AuditKey, Entropy, Parts, PasswordConfig, Service, ServiceSecrets, Settle, SignUpConfig,
};
use ids::{Clock, FixedClock};
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use testkit::fleet::signing_key;
use tonic::Request;

use crate::database::Database;
use crate::world::{AUDIT_SECRET, Ground, request};
pub(crate) use crate::world::{Refusal, done};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const SERVICE_SECRET: &str = "a-secret-of-the-records-service-for-tests";
pub(crate) const PREVIOUS_SECRET: &str = "the-secret-before-of-the-records-service";
pub(crate) const GATEWAY_SECRET: &str = "a-secret-of-the-gateway-made-for-the-tests";

/// Organisations that one network may make in an hour; the tests themselves come from as many networks as they need.
pub(crate) const SIGN_UPS: u32 = 20;

/// One service; each test has its own, all on one database.
pub(crate) struct World {
    ground: Ground,
    pub(crate) service: Service,
    pub(crate) identity: Arc<App>,
    pub(crate) hand: FixedClock,
    key: SecretString,
    /// Where its calls come from.
    address: String,
}

impl Deref for World {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

/// What somebody with a session or key has.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) slug: String,
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Somebody with a session or key.
pub(crate) type Caller = crate::world::Caller<Service, Session>;

impl World {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(Database::shared(identity::MIGRATIONS).await?)
    }

    /// On a database of its own: for tests of what goes over all tenants.
    pub(crate) async fn alone(name: &'static str) -> Result<Self> {
        Self::on(Database::fresh(name, &[identity::MIGRATIONS]).await?)
    }

    fn on(database: Database) -> Result<Self> {
        let (clock, hand) = Clock::fixed(time::macros::datetime!(2026-06-01 12:00 UTC));
        let ground = Ground::on(database, "identity", clock)?;
        let key = SecretString::from(signing_key()?);
        let identity = instance(&ground, &key)?;
        let address = network(&ground.clock);
        Ok(Self { ground, service: Service::new(identity.clone()), identity, hand, key, address })
    }

    /// Another instance of the same service.
    pub(crate) fn twin(&self) -> Result<Service> {
        Ok(Service::new(instance(&self.ground, &self.key)?))
    }

    /// A word that no other test uses.
    pub(crate) fn word(&self, prefix: &str) -> String {
        let id = self.clock.new_uuid().simple().to_string();
        format!("{prefix}{}", &id[8..])
    }

    /// An address in a network that no other test uses.
    pub(crate) fn network(&self) -> String {
        network(&self.clock)
    }

    /// A new organisation's administrator.
    pub(crate) async fn sign_up(&self) -> Result<Caller> {
        let slug = self.word("t");
        let email = format!("ada@{slug}.test");
        let request = from(&self.network(), sign_up_request(&slug, &email));
        let answer = self.service.sign_up(request).await?.into_inner();
        let who = Session {
            tenant: answer.tenant.unwrap().id,
            id: answer.user.unwrap().id,
            access: answer.access_token,
            refresh: answer.refresh_token,
            slug,
            email,
        };
        self.watch(who.tenant.parse()?);
        Ok(Caller { service: self.service.clone(), who })
    }

    /// A user of the same organisation who has accepted the invitation.
    pub(crate) async fn member(
        &self,
        admin: &Caller,
        role_ids: &[&str],
        team_ids: &[&str],
    ) -> Result<Caller> {
        let email = format!("{}@{}.test", self.word("u"), admin.slug);
        let user = pb::User {
            role_ids: role_ids.iter().map(|r| (*r).to_owned()).collect(),
            team_ids: team_ids.iter().map(|t| (*t).to_owned()).collect(),
            ..user(&email)
        };
        let made = admin.create_user(user).await?;
        let answer = self.accept(&made.invitation_token.unwrap(), PASSWORD).await?;
        let who = Session {
            id: made.id,
            email,
            access: answer.access_token,
            refresh: answer.refresh_token,
            ..admin.who.clone()
        };
        Ok(Caller { service: admin.service.clone(), who })
    }

    pub(crate) async fn accept(
        &self,
        token: &str,
        password: &str,
    ) -> Result<pb::AcceptInvitationResponse, Refusal> {
        let request = pb::AcceptInvitationRequest {
            token: token.to_owned(),
            password: password.to_owned(),
            display_name: None,
        };
        done(self.service.accept_invitation(from(&self.address, request)).await)
    }

    pub(crate) async fn reset(
        &self,
        token: &str,
        password: &str,
    ) -> Result<pb::ResetPasswordResponse, Refusal> {
        let request = pb::ResetPasswordRequest { token: token.to_owned(), password: password.to_owned() };
        done(self.service.reset_password(from(&self.address, request)).await)
    }

    pub(crate) async fn login(
        &self,
        slug: &str,
        email: &str,
        password: &str,
    ) -> Result<pb::LoginResponse, Refusal> {
        let request = pb::LoginRequest {
            organization: slug.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            device_token: None,
        };
        done(self.service.login(from(&self.address, request)).await)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<pb::RefreshResponse, Refusal> {
        done(self.service.refresh(Request::new(pb::RefreshRequest { refresh_token: token.to_owned() })).await)
    }

    pub(crate) async fn exchange(&self, key: &str) -> Result<pb::ExchangeApiKeyResponse, Refusal> {
        let request = pb::ExchangeApiKeyRequest { api_key: key.to_owned() };
        done(self.service.exchange_api_key(Request::new(request)).await)
    }

    pub(crate) fn advance(&self, days: u64) {
        self.advance_seconds(days * 86_400);
    }

    pub(crate) fn advance_seconds(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }
}

macro_rules! calls {
    ($($name:ident($request:ident) -> $answer:ident;)*) => {
        impl Caller {$(
            pub(crate) async fn $name(&self, body: pb::$request) -> Result<pb::$answer, Refusal> {
                done(self.service.$name(self.request(body)).await)
            }
        )*}
    };
}

calls! {
    logout(LogoutRequest) -> LogoutResponse;
    get_me(GetMeRequest) -> GetMeResponse;
    list_sessions(ListSessionsRequest) -> ListSessionsResponse;
    delete_session(DeleteSessionRequest) -> DeleteSessionResponse;
    get_organization(GetOrganizationRequest) -> GetOrganizationResponse;
    update_organization(UpdateOrganizationRequest) -> UpdateOrganizationResponse;
    get_user(GetUserRequest) -> GetUserResponse;
    list_users(ListUsersRequest) -> ListUsersResponse;
    update_user(UpdateUserRequest) -> UpdateUserResponse;
    disable_user(DisableUserRequest) -> DisableUserResponse;
    enable_user(EnableUserRequest) -> EnableUserResponse;
    get_team(GetTeamRequest) -> GetTeamResponse;
    delete_team(DeleteTeamRequest) -> DeleteTeamResponse;
    list_teams(ListTeamsRequest) -> ListTeamsResponse;
    get_role(GetRoleRequest) -> GetRoleResponse;
    list_roles(ListRolesRequest) -> ListRolesResponse;
    list_audit_log(ListAuditLogRequest) -> ListAuditLogResponse;
    verify_audit_log(VerifyAuditLogRequest) -> VerifyAuditLogResponse;
    update_role(UpdateRoleRequest) -> UpdateRoleResponse;
    delete_role(DeleteRoleRequest) -> DeleteRoleResponse;
    list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse;
    delete_api_key(DeleteApiKeyRequest) -> DeleteApiKeyResponse;
    create_calendar_feed(CreateCalendarFeedRequest) -> CreateCalendarFeedResponse;
    get_calendar_feed(GetCalendarFeedRequest) -> GetCalendarFeedResponse;
    delete_calendar_feed(DeleteCalendarFeedRequest) -> DeleteCalendarFeedResponse;
    change_password(ChangePasswordRequest) -> ChangePasswordResponse;
    resend_invitation(ResendInvitationRequest) -> ResendInvitationResponse;
    create_password_reset(CreatePasswordResetRequest) -> CreatePasswordResetResponse;
    get_snapshot(GetSnapshotRequest) -> GetSnapshotResponse;
    check_references(CheckReferencesRequest) -> CheckReferencesResponse;
    get_user_names(GetUserNamesRequest) -> GetUserNamesResponse;
}

impl Caller {
    /// Makes the token by which a user sets a new password.
    pub(crate) async fn make_reset(&self, id: &str) -> Result<String, Refusal> {
        let request = pb::CreatePasswordResetRequest { id: id.to_owned() };
        Ok(self.create_password_reset(request).await?.reset_token)
    }

    /// The same caller with another access token.
    pub(crate) fn with(&self, access: &str) -> Self {
        let who = Session { access: access.to_owned(), ..self.who.clone() };
        Self { service: self.service.clone(), who }
    }

    /// A request of this caller.
    pub(crate) fn request<T>(&self, body: T) -> Request<T> {
        request(&self.access, body, &[("x-request-id", "the-request")])
    }

    pub(crate) async fn create_user(&self, user: pb::User) -> Result<pb::User, Refusal> {
        let request = self.request(pb::CreateUserRequest { user: Some(user) });
        Ok(done(self.service.create_user(request).await)?.user.unwrap())
    }

    pub(crate) async fn create_team(&self, name: &str) -> Result<String, Refusal> {
        self.make_team(pb::Team { name: name.to_owned(), ..Default::default() }).await
    }

    pub(crate) async fn create_team_under(&self, parent: &str) -> Result<String, Refusal> {
        let parent_id = Some(parent.to_owned());
        self.make_team(pb::Team { name: "Below".to_owned(), parent_id, ..Default::default() }).await
    }

    async fn make_team(&self, team: pb::Team) -> Result<String, Refusal> {
        let request = self.request(pb::CreateTeamRequest { team: Some(team) });
        Ok(done(self.service.create_team(request).await)?.team.unwrap().id)
    }

    pub(crate) async fn create_role(&self, role: pb::Role) -> Result<pb::Role, Refusal> {
        let request = self.request(pb::CreateRoleRequest { role: Some(role) });
        Ok(done(self.service.create_role(request).await)?.role.unwrap())
    }

    /// Creates a role under an `Idempotency-Key`; whether the answer was a replay.
    pub(crate) async fn create_role_once(
        &self,
        role: pb::Role,
        key: &str,
    ) -> Result<(pb::Role, bool), Refusal> {
        let mut request = self.request(pb::CreateRoleRequest { role: Some(role) });
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        let answer = self.service.create_role(request).await.map_err(Refusal::from)?;
        let replayed = answer.metadata().contains_key("idempotency-replayed");
        Ok((answer.into_inner().role.unwrap(), replayed))
    }

    pub(crate) async fn create_key(&self, name: &str, scopes: &[&str]) -> Result<pb::ApiKey, Refusal> {
        let scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
        let key = pb::ApiKey { name: name.to_owned(), scopes, ..Default::default() };
        let request = self.request(pb::CreateApiKeyRequest { api_key: Some(key) });
        Ok(done(self.service.create_api_key(request).await)?.api_key.unwrap())
    }

    /// Changes the members in `paths` of a user, under the condition `if_match`.
    pub(crate) async fn change_user(
        &self,
        id: &str,
        user: pb::User,
        paths: &[&str],
        if_match: Option<&str>,
    ) -> Result<pb::User, Refusal> {
        let mut request = self.request(pb::UpdateUserRequest {
            id: id.to_owned(),
            user: Some(user),
            update_mask: Some(mask(paths)),
        });
        if let Some(condition) = if_match {
            request.metadata_mut().insert("if-match", condition.parse().unwrap());
        }
        Ok(done(self.service.update_user(request).await)?.user.unwrap())
    }

    /// What the caller may do now, past the gate's cache.
    pub(crate) async fn snapshot(&self) -> Result<pb::PermissionSnapshot, Refusal> {
        Ok(self.get_snapshot(pb::GetSnapshotRequest { if_version: 0 }).await?.snapshot.unwrap())
    }
}

fn instance(ground: &Ground, key: &SecretString) -> Result<Arc<App>> {
    Ok(App::new(Parts {
        db: ground.db.clone(),
        clock: ground.clock.clone(),
        entropy: Entropy::system(),
        settle: Settle::none(),
        signing_key: key.clone(),
        audit_key: AuditKey::new(&SecretString::from(AUDIT_SECRET))?,
        service_secrets: service_secrets(),
        passwords: PasswordConfig { memory_kib: 64, iterations: 1, parallelism: 1, permits: 2 },
        sign_ups: SignUpConfig { per_hour: SIGN_UPS, per_day: SIGN_UPS + 5 },
    })?)
}

/// Two of records, as while one is exchanged for the other, and one of the gateway.
fn service_secrets() -> ServiceSecrets {
    [("records", SERVICE_SECRET), ("records", PREVIOUS_SECRET), ("gateway", GATEWAY_SECRET)]
        .into_iter()
        .fold(ServiceSecrets::default(), |all, (name, secret)| all.with(name, &SecretString::from(secret)))
}

fn network(clock: &Clock) -> String {
    let bits = clock.new_uuid().as_u128() & 0xffff_ffff_ffff;
    format!("2001:{:x}:{:x}:{:x}::1", (bits >> 32) & 0xffff, (bits >> 16) & 0xffff, bits & 0xffff)
}

/// A request from a client at this address.
pub(crate) fn from<T>(address: &str, body: T) -> Request<T> {
    let mut request = Request::new(body);
    request.metadata_mut().insert("x-client-address", address.parse().unwrap());
    request
}

pub(crate) fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() }
}

pub(crate) fn user(email: &str) -> pb::User {
    pb::User { email: email.to_owned(), display_name: "Somebody".to_owned(), ..Default::default() }
}

pub(crate) fn role(name: &str, object: &str, actions: &[&str], scope: pb::Scope) -> pb::Role {
    let permission = pb::ObjectPermission {
        object: object.to_owned(),
        actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        scopes: vec![scope.into()],
    };
    pb::Role { name: name.to_owned(), permissions: vec![permission], ..Default::default() }
}

pub(crate) fn sign_up_request(slug: &str, email: &str) -> pb::SignUpRequest {
    pb::SignUpRequest {
        organization: "Acme".to_owned(),
        slug: slug.to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Ada".to_owned(),
    }
}
