//! Deletes a team.

use auth::Context;
use error::{Code, Error, Reason};
use ids::TeamId;
use proto::identity::v1 as pb;

use super::{change_of, not_found, store, to_change};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::power::Power;
use crate::users;

/// Members who are taken out with the team: each is checked and gets an audit row, in one transaction.
const MOST_MEMBERS: usize = 200;

/// Deletes, softly, and takes its members out: each must be a member that the caller may take out. What the members saw by the team they see
/// no longer when this returns. Records keep the id of the team; by it nobody sees them any more.
///
/// Errors: 404 `TEAM_NOT_FOUND`, 412 `VERSION_STALE`, 409 `TEAM_IN_USE`, 403 `ROLE_EXCEEDS_CALLER` or `TEAM_EXCEEDS_CALLER`.
#[tracing::instrument(name = "identity.teams.delete", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::DeleteTeamRequest,
) -> Result<pb::DeleteTeamResponse, Error> {
    let id = TeamId::parse(&request.id).ok_or_else(not_found)?.uuid();
    // The head's lock keeps anybody from joining meanwhile.
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let team = to_change(change.tx(), cx, id).await?;
    let in_use = |text: String| Error::new(Code::FailedPrecondition, Reason::TEAM_IN_USE, text);
    if store::has_below(change.tx(), id).await? {
        return Err(in_use("teams lie below it; move or delete them first".to_owned()));
    }
    let member_ids = store::members(change.tx(), id, MOST_MEMBERS + 1).await?;
    if member_ids.len() > MOST_MEMBERS {
        let text = format!("it has more than {MOST_MEMBERS} members; take some of them out first");
        return Err(in_use(text));
    }
    let power = Power::of(change.tx(), cx).await?;
    let now = app.clock.now_micros();
    let mut left = Vec::with_capacity(member_ids.len());
    // All are checked before one is taken out: who was in the team counts for the others.
    for member in member_ids {
        let Some(before) = users::store::get(change.tx(), member).await? else { continue };
        let mut after = before.clone();
        after.team_ids.retain(|team| *team != id);
        power.check_change(change.tx(), &before, &after).await?;
        after.version += 1;
        after.updated_at = now;
        left.push((before, after));
    }
    let narrows = !left.is_empty();
    let actor = Actor::of(cx);
    for (before, after) in left {
        users::write::changed(change.tx(), &before, &after, cx.principal.id).await?;
        // Whose permissions change, the team's own row says for all.
        let taken_out = users::change_of(("update", "updated"), Some(&before), &after, Touches::Nobody);
        change.record(&app.recorder, &actor, taken_out).await?;
    }
    store::delete(change.tx(), id, now, cx.principal.id).await?;
    let touches = if narrows { Touches::Everyone } else { Touches::Nobody };
    let deleted = Change { narrows, ..change_of(("delete", "deleted"), Some(&team), None, touches) };
    change.record(&app.recorder, &actor, deleted).await?;
    change.commit(&app.gate).await?;
    if narrows {
        app.settle.wait().await;
    }
    Ok(pb::DeleteTeamResponse {})
}
