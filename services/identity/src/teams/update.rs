//! Changes a team's name or its place in the tree.

use auth::Context;
use error::{Error, Reason, Violation};
use ids::TeamId;
use input::{Mask, Violations, id, required_line};
use proto::identity::v1 as pb;

use super::{change_of, convert, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};

/// Updates. The tree decides nothing about permissions, so nobody gains or loses by a move.
///
/// Errors: 404 `TEAM_NOT_FOUND`, 412 `VERSION_STALE`, 422 with all violations.
#[tracing::instrument(name = "identity.teams.update", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::UpdateTeamRequest,
) -> Result<pb::UpdateTeamResponse, Error> {
    let team_id = TeamId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let body = request.team.unwrap_or_default();
    let mut violations = Violations::default();
    let mask = Mask::read(request.update_mask, &body, &mut violations);

    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = to_change(change.tx(), cx, team_id).await?;
    let mut after = before.clone();
    if mask.has("name") {
        after.name = violations.take("/name", required_line(&body.name, 200)).unwrap_or_default();
    }
    if mask.has("parent_id") {
        let parent = body.parent_id.as_deref();
        after.parent_id = parent.and_then(|sent| violations.take("/parent_id", id(sent)));
    }
    // A parent that was there before is not asked for again.
    if let Some(parent) = after.parent_id.filter(|_| after.parent_id != before.parent_id) {
        if !store::get(change.tx(), parent).await?.is_some_and(|t| cx.reached().evaluate(&t.facts())) {
            violations.push(Violation::reference_not_found("/parent_id"));
        } else if store::is_within(change.tx(), parent, team_id).await? {
            let text = "a team cannot lie below itself, directly or indirectly";
            violations.note("/parent_id", Reason::REFERENCE_CYCLE, text);
        }
    }
    violations.into_result()?;
    if (&after.name, after.parent_id) == (&before.name, before.parent_id) {
        return Ok(pb::UpdateTeamResponse { team: Some(convert::to_proto(&before)) });
    }
    after.version += 1;
    store::update(change.tx(), &after).await?;
    let updated = change_of(("update", "updated"), Some(&before), Some(&after), Touches::Nobody);
    change.record(&app.recorder, &Actor::of(cx), updated).await?;
    change.commit(&app.gate).await?;
    Ok(pb::UpdateTeamResponse { team: Some(convert::to_proto(&after)) })
}
