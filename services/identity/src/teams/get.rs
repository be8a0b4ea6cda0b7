//! Shows one team.

use auth::Context;
use db::TenantTx;
use error::Error;
use ids::TeamId;
use proto::identity::v1 as pb;

use super::{convert, not_found, store};
use crate::app::App;

/// The team. Foreign, invisible and random ids are one 404 `TEAM_NOT_FOUND`.
#[tracing::instrument(name = "identity.teams.get", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::GetTeamRequest,
) -> Result<pb::GetTeamResponse, Error> {
    let id = TeamId::parse(&request.id).ok_or_else(not_found)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let team = store::get(&mut tx, id.uuid())
        .await?
        .filter(|t| cx.reached().evaluate(&t.facts()))
        .ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(pb::GetTeamResponse { team: Some(convert::to_proto(&team)) })
}
