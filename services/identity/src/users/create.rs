//! Invites a user.

use std::time::Duration;

use auth::{Context, PrincipalKind};
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use field_types::email;
use ids::TenantId;
use input::{Violations, id, required_line};
use proto::identity::v1 as pb;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{State, User, change_of, convert, invitations, invite_again, references, store};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};
use crate::power::Power;
use crate::refusals::refuse_idempotency_key;
use crate::secrets::{self, Kind};

/// How long an invitation can be accepted.
const INVITATION_TTL: Duration = Duration::from_secs(7 * 86_400);

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateUserError {
    #[error("another user has the address")]
    EmailTaken(#[source] DbError),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<CreateUserError> for Error {
    fn from(cause: CreateUserError) -> Self {
        match cause {
            CreateUserError::EmailTaken(_) => Self::new(
                Code::AlreadyExists,
                Reason::EMAIL_TAKEN,
                "another user of the organization has this address",
            )
            .with_metadata("field", "email"),
            CreateUserError::Refused(error) => error,
        }
    }
}

impl From<DbError> for CreateUserError {
    fn from(cause: DbError) -> Self {
        match cause.duplicate() {
            Some("app_user_email") => Self::EmailTaken(cause),
            _ => Self::Refused(cause.into()),
        }
    }
}

/// Invites; at the address of somebody who is still invited, again ([`invite_again`]). Errors: 422 with all violations, 403
/// `ROLE_EXCEEDS_CALLER`, `TEAM_EXCEEDS_CALLER` or `MANAGER_EXCEEDS_CALLER`, 409 `EMAIL_TAKEN`.
#[tracing::instrument(name = "identity.users.create", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CreateUserRequest,
) -> Result<pb::CreateUserResponse, CreateUserError> {
    refuse_idempotency_key(&cx.call)?;
    let body = request.user.unwrap_or_default();
    let mut violations = Violations::default();
    let email = violations.take("/email", email::parse(&body.email)).unwrap_or_default();
    let display_name =
        violations.take("/display_name", required_line(&body.display_name, 200)).unwrap_or_default();
    let mut role_ids = violations.ids("/role_ids", &body.role_ids);
    let mut team_ids = violations.ids("/team_ids", &body.team_ids);
    let manager_id = body.manager_id.as_deref().and_then(|sent| violations.take("/manager_id", id(sent)));

    let clock = &app.clock;
    let now = clock.now_micros();
    let by = cx.principal.id;
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    references::check(change.tx(), &role_ids, &team_ids, manager_id, &mut violations).await?;
    violations.into_result()?;
    role_ids.sort();
    team_ids.sort();
    let user = User {
        id: clock.new_uuid(),
        version: 1,
        email,
        display_name,
        state: State::Invited,
        role_ids,
        team_ids,
        manager_id,
        created_at: now,
        updated_at: now,
    };
    if let Some(before) = invite_again::of(&mut change, cx, &user).await? {
        return Ok(invite_again::run(app, cx, change, before, &user).await?);
    }
    if !user.reached_by(cx.reached()) {
        return Err(cx.denied().into());
    }
    Power::of(change.tx(), cx).await?.check_new(change.tx(), &user).await?;

    store::insert(change.tx(), &user, None, by).await?;
    store::add_roles(change.tx(), user.id, &user.role_ids, now, by).await?;
    store::add_teams(change.tx(), user.id, &user.team_ids).await?;
    let token = invite(app, change.tx(), user.id, by).await?;
    // A new member is within reach of everyone in the same teams.
    let touches = if user.team_ids.is_empty() { Touches::Principal(user.id) } else { Touches::Everyone };
    let created = change_of(("create", "created"), None, &user, touches);
    change.record(&app.recorder, &Actor::of(cx), created).await?;
    change.commit(&app.gate).await?;
    // No mail service is configured yet, so the inviter passes the token on. Not a key: who has the token may become the user,
    // and that would outlive the key; somebody signed in invites again.
    let signed_in = cx.principal.kind != PrincipalKind::ApiKey;
    let invitation_token = signed_in.then(|| token.expose_secret().to_owned());
    Ok(pb::CreateUserResponse { user: Some(pb::User { invitation_token, ..convert::to_proto(&user) }) })
}

/// Makes an invitation of a user; its token, which is stored nowhere.
pub(super) async fn invite(
    app: &App,
    tx: &mut TenantTx,
    user_id: Uuid,
    by: Uuid,
) -> Result<SecretString, Error> {
    let (id, now) = (app.clock.new_uuid(), app.clock.now_micros());
    let tenant = TenantId::from(tx.tenant_id());
    let token = secrets::make(Kind::Invitation, tenant, id, &app.entropy)?;
    let invitation = invitations::Invitation { id, user_id, expires_at: now + INVITATION_TTL };
    invitations::insert(tx, &invitation, &token.hash, now, by).await?;
    Ok(token.text)
}
