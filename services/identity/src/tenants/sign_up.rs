//! Makes an organisation with its administrators' role, its first user and a session.

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use field_types::email;
use ids::TenantId;
use input::{Violations, required_line};
use proto::identity::v1 as pb;
use serde_json::json;
use uuid::Uuid;

use super::store::{self, Tenant};
use crate::app::App;
use crate::call::PublicCall;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::directory;
use crate::passwords::{self, Password};
use crate::places::{self, Place};
use crate::roles::{self, body::RoleBody};
use crate::sessions::open;
use crate::throttle::count_sign_up;
use crate::users::{self, State};

/// Why nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignUpError {
    #[error("another organization has the slug")]
    SlugTaken(#[source] DbError),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl From<SignUpError> for Error {
    fn from(cause: SignUpError) -> Self {
        match cause {
            SignUpError::SlugTaken(_) => {
                Self::new(Code::AlreadyExists, Reason::SLUG_TAKEN, "another organization has this slug")
                    .with_metadata("field", "slug")
            }
            SignUpError::Refused(error) => error,
        }
    }
}

impl From<DbError> for SignUpError {
    fn from(cause: DbError) -> Self {
        match cause.duplicate() {
            Some("directory_pkey") => Self::SlugTaken(cause),
            _ => Self::Refused(cause.into()),
        }
    }
}

/// What a valid request says.
struct Wanted {
    tenant: Tenant,
    email: String,
    display_name: String,
    password: Password,
}

/// Signs up. Errors: 422 with all violations, 429 `SIGN_UP_THROTTLED`, 409 `SLUG_TAKEN`, 503 `LOGIN_BUSY`.
#[tracing::instrument(name = "identity.tenants.sign_up", skip_all)]
pub(crate) async fn run(
    app: &App,
    call: &PublicCall,
    request: pb::SignUpRequest,
) -> Result<pb::SignUpResponse, SignUpError> {
    let wanted = read(request)?;
    let clock = &app.clock;
    let now = clock.now_micros();
    // Before the hash: what is refused costs next to nothing.
    count_sign_up(&app.db, &call.network, app.sign_ups, now).await?;
    let password_hash = app.passwords.hash(&call.network, wanted.password).await?;

    let tenant_id = TenantId::from(clock.new_uuid());
    let (role_id, user_id) = (clock.new_uuid(), clock.new_uuid());
    let actor = Actor::user(user_id, &call.call);

    let mut tx = TenantTx::begin(&app.db, VerifiedTenant::from_directory(tenant_id)).await?;
    directory::store::insert(&mut tx, &wanted.tenant.slug, now).await?;
    store::insert(&mut tx, &wanted.tenant, now).await?;
    let mut change = ChangeTx::of_new_tenant(&app.recorder, tx).await?;
    let tenant_json = json!({"slug": wanted.tenant.slug, "organization": wanted.tenant.organization});
    change.record(&app.recorder, &actor, made("tenant", tenant_id.uuid(), None, tenant_json)).await?;

    let role = roles::Role {
        id: role_id,
        version: 1,
        name: roles::ADMINISTRATOR.to_owned(),
        system: true,
        body: RoleBody::everything(),
        created_at: now,
        created_by: user_id,
        updated_at: now,
    };
    roles::store::insert(change.tx(), &role).await?;
    change.record(&app.recorder, &actor, made("role", role_id, None, roles::convert::to_json(&role))).await?;

    let user = users::User {
        id: user_id,
        version: 1,
        email: wanted.email,
        display_name: wanted.display_name,
        state: State::Active,
        role_ids: vec![role_id],
        team_ids: vec![],
        manager_id: None,
        created_at: now,
        updated_at: now,
    };
    users::store::insert(change.tx(), &user, Some(&password_hash), user_id).await?;
    users::store::add_roles(change.tx(), user_id, &[role_id], now, user_id).await?;
    change
        .record(&app.recorder, &actor, made("user", user_id, Some(user_id), users::convert::to_json(&user)))
        .await?;

    let tokens = open::run(app, &mut change, &actor, &call.call, user_id).await?;
    let network = Some(call.network.as_str());
    let device = places::remember(app, change.tx(), user_id, network, Place::Unknown, now).await?;
    change.commit(&app.gate).await?;
    Ok(pb::SignUpResponse {
        tenant: Some(pb::Tenant {
            id: tenant_id.to_string(),
            slug: wanted.tenant.slug,
            organization: wanted.tenant.organization,
        }),
        user: Some(users::convert::to_session_user(&user)),
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in: tokens.expires_in,
        device_token: Some(device),
    })
}

fn made(object: &'static str, record_id: Uuid, owner: Option<Uuid>, after: serde_json::Value) -> Change {
    Change {
        object,
        action: "create",
        verb: "created",
        record_id,
        version: 1,
        owner,
        before: None,
        after: Some(after),
        reason: "sign-up",
        // Nobody holds a snapshot of a tenant that is being made.
        touches: Touches::Nobody,
        narrows: false,
    }
}

/// All violations of a sign-up at once.
fn read(request: pb::SignUpRequest) -> Result<Wanted, Error> {
    let mut violations = Violations::default();
    let organization =
        violations.take("/organization", required_line(&request.organization, 200)).unwrap_or_default();
    violations.extend(directory::check_slug(&request.slug));
    let email = violations.take("/email", email::parse(&request.email)).unwrap_or_default();
    let display_name =
        violations.take("/display_name", required_line(&request.display_name, 200)).unwrap_or_default();
    let known = [&request.email, &email, &request.slug, &organization, &display_name].map(String::as_str);
    let password = passwords::choose(&request.password, "/password", &known, &mut violations);
    let Some(password) = password.filter(|_| violations.is_empty()) else {
        return Err(violations.into_error());
    };
    let tenant = Tenant { slug: request.slug, organization };
    Ok(Wanted { tenant, email, display_name, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_told_at_once() {
        let refused = read(pb::SignUpRequest {
            organization: " ".into(),
            slug: "-".into(),
            email: "not an address".into(),
            password: "short".into(),
            display_name: String::new(),
        });
        let error = refused.map(|_| ()).unwrap_err();
        let pointers: Vec<_> = error.violations().iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(pointers, ["/organization", "/slug", "/email", "/display_name", "/password"]);
    }

    #[test]
    fn a_valid_request_is_cleaned() {
        let wanted = read(pb::SignUpRequest {
            organization: " Acme ".into(),
            slug: "acme".into(),
            email: "Ada@ACME.test".into(),
            password: "correct horse battery".into(),
            display_name: "Ada".into(),
        })
        .unwrap();
        assert_eq!((wanted.email.as_str(), wanted.tenant.organization.as_str()), ("ada@acme.test", "Acme"));
    }
}
