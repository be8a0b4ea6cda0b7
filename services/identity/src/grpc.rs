//! The gRPC face: context -> operation -> answer.

use std::sync::Arc;

use auth::Answer;
use error::Error;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::call::{PublicCall, bearer};
use crate::{
    api_keys, audit, calendar_feeds, organization, permissions, roles, sessions, teams, tenants, users,
};

type Result<T> = std::result::Result<Response<T>, Status>;

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service that works with these parts.
    pub fn new(app: Arc<App>) -> Self {
        Self(app)
    }
}

fn user_version(user: Option<&pb::User>) -> Option<i64> {
    user.map(|u| u.version)
}

#[tonic::async_trait]
impl IdentityService for Service {
    async fn sign_up(&self, request: Request<pb::SignUpRequest>) -> Result<pb::SignUpResponse> {
        let (call, body) = PublicCall::read(request)?;
        Ok(Response::new(tenants::sign_up::run(&self.0, &call, body).await.map_err(Error::from)?))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<pb::LoginResponse> {
        let (call, body) = PublicCall::read(request)?;
        Ok(Response::new(sessions::login::run(&self.0, &call, body).await.map_err(Error::from)?))
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Result<pb::RefreshResponse> {
        let (call, body) = PublicCall::read(request)?;
        Ok(Response::new(sessions::refresh::run(&self.0, &call, body).await.map_err(Error::from)?))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<pb::LogoutResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(sessions::logout::run(&self.0, &cx).await?))
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<pb::GetMeResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(sessions::get_me::run(&self.0, &cx).await?))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<pb::ListSessionsResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(sessions::list::run(&self.0, &cx, body).await?))
    }

    async fn delete_session(
        &self,
        request: Request<pb::DeleteSessionRequest>,
    ) -> Result<pb::DeleteSessionResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(sessions::delete::run(&self.0, &cx, body).await?))
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Result<pb::CreateUserResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::create::run(&self.0, &cx, body).await.map_err(Error::from)?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<pb::GetUserResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::get::run(&self.0, &cx, body).await?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Result<pb::ListUsersResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(users::list::run(&self.0, &cx, body).await?))
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Result<pb::UpdateUserResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::update::run(&self.0, &cx, body).await?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn disable_user(
        &self,
        request: Request<pb::DisableUserRequest>,
    ) -> Result<pb::DisableUserResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::disable::run(&self.0, &cx, body).await?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn enable_user(&self, request: Request<pb::EnableUserRequest>) -> Result<pb::EnableUserResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::enable::run(&self.0, &cx, body).await?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn resend_invitation(
        &self,
        request: Request<pb::ResendInvitationRequest>,
    ) -> Result<pb::ResendInvitationResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = users::resend_invitation::run(&self.0, &cx, body).await?;
        let version = user_version(message.user.as_ref());
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<pb::ChangePasswordResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(users::change_password::run(&self.0, &cx, body).await?))
    }

    async fn create_password_reset(
        &self,
        request: Request<pb::CreatePasswordResetRequest>,
    ) -> Result<pb::CreatePasswordResetResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(users::create_password_reset::run(&self.0, &cx, body).await?))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<pb::ResetPasswordResponse> {
        let (call, body) = PublicCall::read(request)?;
        Ok(Response::new(users::reset_password::run(&self.0, &call, body).await?))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<pb::AcceptInvitationResponse> {
        let (call, body) = PublicCall::read(request)?;
        Ok(Response::new(users::accept_invitation::run(&self.0, &call, body).await.map_err(Error::from)?))
    }

    async fn get_organization(
        &self,
        request: Request<pb::GetOrganizationRequest>,
    ) -> Result<pb::GetOrganizationResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        let message = organization::get::run(&self.0, &cx).await?;
        let version = message.organization.as_ref().map(|o| o.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn update_organization(
        &self,
        request: Request<pb::UpdateOrganizationRequest>,
    ) -> Result<pb::UpdateOrganizationResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = organization::update::run(&self.0, &cx, body).await?;
        let version = message.organization.as_ref().map(|o| o.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn list_audit_log(
        &self,
        request: Request<pb::ListAuditLogRequest>,
    ) -> Result<pb::ListAuditLogResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(audit::list::run(&self.0, &cx, body).await?))
    }

    async fn verify_audit_log(
        &self,
        request: Request<pb::VerifyAuditLogRequest>,
    ) -> Result<pb::VerifyAuditLogResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(audit::verify::run(&self.0, &cx, body).await?))
    }

    async fn create_team(&self, request: Request<pb::CreateTeamRequest>) -> Result<pb::CreateTeamResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(teams::create::run(&self.0, &cx, body).await?.respond(&cx))
    }

    async fn get_team(&self, request: Request<pb::GetTeamRequest>) -> Result<pb::GetTeamResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = teams::get::run(&self.0, &cx, body).await?;
        let version = message.team.as_ref().map(|t| t.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn list_teams(&self, request: Request<pb::ListTeamsRequest>) -> Result<pb::ListTeamsResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(teams::list::run(&self.0, &cx, body).await?))
    }

    async fn update_team(&self, request: Request<pb::UpdateTeamRequest>) -> Result<pb::UpdateTeamResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = teams::update::run(&self.0, &cx, body).await?;
        let version = message.team.as_ref().map(|t| t.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn delete_team(&self, request: Request<pb::DeleteTeamRequest>) -> Result<pb::DeleteTeamResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(teams::delete::run(&self.0, &cx, body).await?))
    }

    async fn create_role(&self, request: Request<pb::CreateRoleRequest>) -> Result<pb::CreateRoleResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(roles::create::run(&self.0, &cx, body).await.map_err(Error::from)?.respond(&cx))
    }

    async fn get_role(&self, request: Request<pb::GetRoleRequest>) -> Result<pb::GetRoleResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = roles::get::run(&self.0, &cx, body).await?;
        let version = message.role.as_ref().map(|r| r.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn list_roles(&self, request: Request<pb::ListRolesRequest>) -> Result<pb::ListRolesResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(roles::list::run(&self.0, &cx, body).await?))
    }

    async fn update_role(&self, request: Request<pb::UpdateRoleRequest>) -> Result<pb::UpdateRoleResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = roles::update::run(&self.0, &cx, body).await.map_err(Error::from)?;
        let version = message.role.as_ref().map(|r| r.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn delete_role(&self, request: Request<pb::DeleteRoleRequest>) -> Result<pb::DeleteRoleResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(roles::delete::run(&self.0, &cx, body).await.map_err(Error::from)?))
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<pb::CreateApiKeyResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        let message = api_keys::create::run(&self.0, &cx, body).await?;
        let version = message.api_key.as_ref().map(|k| k.version);
        Ok(Answer::of_version(version, message).respond(&cx))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<pb::ListApiKeysResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(api_keys::list::run(&self.0, &cx, body).await?))
    }

    async fn delete_api_key(
        &self,
        request: Request<pb::DeleteApiKeyRequest>,
    ) -> Result<pb::DeleteApiKeyResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(api_keys::delete::run(&self.0, &cx, body).await?))
    }

    async fn create_calendar_feed(
        &self,
        request: Request<pb::CreateCalendarFeedRequest>,
    ) -> Result<pb::CreateCalendarFeedResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(calendar_feeds::create::run(&self.0, &cx).await?))
    }

    async fn get_calendar_feed(
        &self,
        request: Request<pb::GetCalendarFeedRequest>,
    ) -> Result<pb::GetCalendarFeedResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(calendar_feeds::get::run(&self.0, &cx).await?))
    }

    async fn delete_calendar_feed(
        &self,
        request: Request<pb::DeleteCalendarFeedRequest>,
    ) -> Result<pb::DeleteCalendarFeedResponse> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(calendar_feeds::delete::run(&self.0, &cx).await?))
    }

    async fn resolve_calendar_feed(
        &self,
        request: Request<pb::ResolveCalendarFeedRequest>,
    ) -> Result<pb::ResolveCalendarFeedResponse> {
        Ok(Response::new(calendar_feeds::resolve::run(&self.0, request.into_inner()).await?))
    }

    async fn get_snapshot(
        &self,
        request: Request<pb::GetSnapshotRequest>,
    ) -> Result<pb::GetSnapshotResponse> {
        let claims = self.0.gate.verify(&bearer(request.metadata())?).await?;
        tracing::Span::current().record("tenant_id", tracing::field::display(claims.tid));
        Ok(Response::new(permissions::get_snapshot::run(&self.0, &claims, request.into_inner()).await?))
    }

    async fn exchange_api_key(
        &self,
        request: Request<pb::ExchangeApiKeyRequest>,
    ) -> Result<pb::ExchangeApiKeyResponse> {
        Ok(Response::new(api_keys::exchange::run(&self.0, request.into_inner()).await?))
    }

    async fn exchange_service_secret(
        &self,
        request: Request<pb::ExchangeServiceSecretRequest>,
    ) -> Result<pb::ExchangeServiceSecretResponse> {
        Ok(Response::new(permissions::exchange_service_secret::run(&self.0, request.get_ref())?))
    }

    async fn exchange_service_token(
        &self,
        request: Request<pb::ExchangeServiceTokenRequest>,
    ) -> Result<pb::ExchangeServiceTokenResponse> {
        Ok(Response::new(permissions::exchange_service_token::run(&self.0, request.into_inner()).await?))
    }

    async fn get_jwks(&self, _: Request<pb::GetJwksRequest>) -> Result<pb::GetJwksResponse> {
        Ok(Response::new(pb::GetJwksResponse { keys: vec![self.0.signer.jwk()] }))
    }

    async fn check_references(
        &self,
        request: Request<pb::CheckReferencesRequest>,
    ) -> Result<pb::CheckReferencesResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(permissions::check_references::run(&self.0, &cx, body).await?))
    }

    async fn get_user_names(
        &self,
        request: Request<pb::GetUserNamesRequest>,
    ) -> Result<pb::GetUserNamesResponse> {
        let (cx, body) = self.0.gate.admit(request).await?;
        Ok(cx.answer(users::names::run(&self.0, &cx, body).await?))
    }
}
