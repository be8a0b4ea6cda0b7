//! Says which users, teams and roles do not exist in the caller's tenant, and who has which address there.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use ids::UserId;
use proto::identity::v1 as pb;
use uuid::Uuid;

use crate::app::App;
use crate::reach::Reach;
use crate::{roles, teams, users};

/// Most ids in one call.
const MAX_IDS: usize = 1_000;

/// The unknown ones, in their order. Foreign, disabled, invited and random ids and texts that are no ids are all unknown.
///
/// Whoever has the token of an invitation may become its user, also somebody who knows it from having made it: what was given to the
/// user meanwhile would be theirs. So nobody owns anything before the invitation was accepted.
///
/// Addresses can be guessed, unlike ids: they name only users whom the caller may read, and the caller.
#[tracing::instrument(name = "identity.permissions.check_references", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CheckReferencesRequest,
) -> Result<pb::CheckReferencesResponse, Error> {
    let asked = [&request.user_ids, &request.team_ids, &request.user_emails, &request.role_ids];
    if asked.iter().map(|texts| texts.len()).sum::<usize>() > MAX_IDS {
        return Err(Error::malformed(Reason::TOO_MANY_IDS, format!("at most {MAX_IDS} ids in one call")));
    }
    let read = |texts: &[String]| -> Vec<Uuid> {
        texts.iter().filter_map(|t| UserId::parse(t)).map(UserId::uuid).collect()
    };
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let users = users::store::active(&mut tx, &read(&request.user_ids)).await?;
    let teams = teams::store::existing(&mut tx, &read(&request.team_ids)).await?;
    let roles = roles::store::existing(&mut tx, &read(&request.role_ids)).await?;
    let reach = Reach::of(&cx.snapshot.predicate("user", "read"));
    let by_email = users::store::by_emails(&mut tx, &request.user_emails, &reach, cx.user().uuid()).await?;
    tx.commit().await?;
    Ok(pb::CheckReferencesResponse {
        unknown_user_ids: unknown(request.user_ids, &users),
        unknown_team_ids: unknown(request.team_ids, &teams),
        unknown_role_ids: unknown(request.role_ids, &roles),
        user_ids_by_email: by_email.into_iter().map(|(email, id)| (email, id.to_string())).collect(),
    })
}

fn unknown(texts: Vec<String>, known: &[Uuid]) -> Vec<String> {
    texts.into_iter().filter(|t| UserId::parse(t).is_none_or(|id| !known.contains(&id.uuid()))).collect()
}
