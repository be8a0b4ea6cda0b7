//! Changes a user's name, roles, teams or manager, and the address of one who cannot log in.

use auth::Context;
use error::{Error, Reason};
use field_types::email;
use ids::UserId;
use input::{Mask, Violations, id, required_line};
use proto::identity::v1 as pb;
use uuid::Uuid;

use super::create::CreateUserError;
use super::{
    State, change_of, convert, invitations, keep_an_administrator, not_found, references, store, to_change,
    write,
};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx};
use crate::power::Power;

/// What a valid request changes; `None`: stays as it is.
#[derive(Debug, Default)]
struct Wanted {
    display_name: Option<String>,
    role_ids: Option<Vec<Uuid>>,
    team_ids: Option<Vec<Uuid>>,
    #[allow(clippy::option_option, reason = "outer: to be changed; inner: to whom")]
    manager_id: Option<Option<Uuid>>,
    email: Option<String>,
}

/// Updates. A change that takes something away returns when it holds in every service.
///
/// An address is what a user logs in by, so that of an active one stays. That of an invited or a disabled user may be taken back,
/// to be right or to be another's; an invitation that was sent to the old one ends with it.
///
/// Errors: 404 `USER_NOT_FOUND`, 412 `VERSION_STALE`, 422 with all violations, 403 `ROLE_EXCEEDS_CALLER`,
/// `TEAM_EXCEEDS_CALLER` or `MANAGER_EXCEEDS_CALLER`, 409 `LAST_ADMINISTRATOR` or `EMAIL_TAKEN`.
#[tracing::instrument(name = "identity.users.update", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::UpdateUserRequest,
) -> Result<pb::UpdateUserResponse, Error> {
    let id = UserId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let mut violations = Violations::default();
    let wanted = read(request, &mut violations);

    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, id).await?;
    let mut after = before.clone();
    if let Some(name) = wanted.display_name {
        after.display_name = name;
    }
    if let Some(mut roles) = wanted.role_ids {
        roles.sort();
        after.role_ids = roles;
    }
    if let Some(mut teams) = wanted.team_ids {
        teams.sort();
        after.team_ids = teams;
    }
    if let Some(manager) = wanted.manager_id {
        after.manager_id = manager;
    }
    if let Some(email) = wanted.email {
        after.email = email;
    }
    let moved = after.email != before.email;
    if moved && before.state == State::Active {
        violations.note("/email", Reason::FIELD_IMMUTABLE, "an active user logs in with it");
    }
    // A manager who was disabled since stays; a new one must be there.
    let new_manager = after.manager_id.filter(|_| after.manager_id != before.manager_id);
    references::check(change.tx(), &after.role_ids, &after.team_ids, new_manager, &mut violations).await?;
    if let Some(manager) = new_manager
        && store::manages(change.tx(), id, manager).await?
    {
        let text = "a user cannot be their own manager, directly or indirectly";
        violations.note("/manager_id", Reason::REFERENCE_CYCLE, text);
    }
    violations.into_result()?;
    if after == before {
        return Ok(pb::UpdateUserResponse { user: Some(convert::to_proto(&before)) });
    }

    Power::of(change.tx(), cx).await?.check_change(change.tx(), &before, &after).await?;
    after.version += 1;
    after.updated_at = app.clock.now_micros();
    let effect =
        write::changed(change.tx(), &before, &after, cx.principal.id).await.map_err(CreateUserError::from)?;
    if moved {
        invitations::end_pending(change.tx(), id).await?;
    }
    keep_an_administrator(change.tx()).await?;
    let narrows = effect.narrows;
    let updated =
        Change { narrows, ..change_of(("update", "updated"), Some(&before), &after, effect.touches) };
    change.record(&app.recorder, &Actor::of(cx), updated).await?;
    change.commit(&app.gate).await?;
    if narrows {
        app.settle.wait().await;
    }
    Ok(pb::UpdateUserResponse { user: Some(convert::to_proto(&after)) })
}

fn read(request: pb::UpdateUserRequest, violations: &mut Violations) -> Wanted {
    let body = request.user.unwrap_or_default();
    let mask = Mask::read(request.update_mask, &body, violations);
    let mut wanted = Wanted::default();
    if mask.has("display_name") {
        wanted.display_name = violations.take("/display_name", required_line(&body.display_name, 200));
    }
    if mask.has("role_ids") {
        wanted.role_ids = Some(violations.ids("/role_ids", &body.role_ids));
    }
    if mask.has("team_ids") {
        wanted.team_ids = Some(violations.ids("/team_ids", &body.team_ids));
    }
    if mask.has("email") {
        wanted.email = violations.take("/email", email::parse(&body.email));
    }
    if mask.has("manager_id") {
        let manager = body.manager_id.as_deref();
        wanted.manager_id = Some(manager.and_then(|sent| violations.take("/manager_id", id(sent))));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_mask_names_is_changed_and_null_clears() {
        let mut violations = Violations::default();
        let paths = ["manager_id", "display_name"].map(str::to_owned).to_vec();
        let request = pb::UpdateUserRequest {
            id: String::new(),
            user: Some(pb::User {
                display_name: "Bob".into(),
                role_ids: vec!["x".into()],
                ..pb::User::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        let wanted = read(request, &mut violations);
        assert_eq!((wanted.display_name.as_deref(), wanted.manager_id), (Some("Bob"), Some(None)));
        assert!(wanted.role_ids.is_none() && wanted.team_ids.is_none() && violations.is_empty());
    }
}
