//! Makes a team.

use auth::{Answer, Context};
use db::idempotency;
use error::{Error, Violation};
use input::{Violations, id, required_line};
use proto::identity::v1 as pb;

use super::{Team, change_of, convert, store};
use crate::app::App;
use crate::changes::{Actor, ChangeTx, Touches};

const RPC: &str = <pb::CreateTeamRequest as proto::Rpc>::NAME;

/// Creates. Errors: 422 with all violations.
#[tracing::instrument(name = "identity.teams.create", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::CreateTeamRequest,
) -> Result<Answer<pb::CreateTeamResponse>, Error> {
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let result = make(app, cx, &mut change, request).await;
    change.settle(&app.gate, result).await
}

async fn make(
    app: &App,
    cx: &Context,
    change: &mut ChangeTx,
    request: pb::CreateTeamRequest,
) -> Result<Answer<pb::CreateTeamResponse>, Error> {
    let now = app.clock.now_micros();
    let claim = idempotency::claim(change.tx(), cx, RPC, &request, now).await?;
    if let Some(first) = claim.replayed::<pb::CreateTeamResponse>()? {
        let version = first.team.as_ref().map_or(0, |t| t.version);
        return Ok(Answer::of_version(version, first).again());
    }
    let body = request.team.unwrap_or_default();
    let mut violations = Violations::default();
    let name = violations.take("/name", required_line(&body.name, 200)).unwrap_or_default();
    let parent_id = body.parent_id.as_deref().and_then(|sent| violations.take("/parent_id", id(sent)));
    // Under a team that the caller's own right does not reach, nothing is put.
    if let Some(parent) = parent_id
        && !store::get(change.tx(), parent).await?.is_some_and(|t| cx.reached().evaluate(&t.facts()))
    {
        violations.push(Violation::reference_not_found("/parent_id"));
    }
    violations.into_result()?;

    let id = app.clock.new_uuid();
    let team = Team { id, version: 1, name, parent_id, created_at: now, created_by: cx.user().uuid() };
    store::insert(change.tx(), &team).await?;
    // Nobody is in it yet.
    let created = change_of(("create", "created"), None, Some(&team), Touches::Nobody);
    change.record(&app.recorder, &Actor::of(cx), created).await?;
    let response = pb::CreateTeamResponse { team: Some(convert::to_proto(&team)) };
    claim.keep(change.tx(), &response).await?;
    Ok(Answer::of_version(1, response))
}
