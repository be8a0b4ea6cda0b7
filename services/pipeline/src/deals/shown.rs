//! What of deals is as their pipelines say it now: the names of their stages, what these require, and whether they have been there for too
//! long.

use std::collections::{BTreeMap, BTreeSet};

use auth::Context;
use db::TenantTx;
use proto::pipeline::v1 as pb;
use record::Fields;
use record::fields::is_unset;
use time::Duration;
use uuid::Uuid;

use super::DEAL;
use crate::app::App;
use crate::pipelines::{self, Whole};

/// Completes deals as they are shown, whole or with some `fields`: the same number of statements for any number of deals. What the caller
/// does not see of a deal it does not get by this either.
pub(crate) async fn shown<'d>(
    app: &App,
    cx: &Context,
    fields: &str,
    deals: impl IntoIterator<Item = &'d mut pb::Deal>,
) -> error::Result<()> {
    let mut deals: Vec<&mut pb::Deal> =
        deals.into_iter().filter(|deal| deal.pipeline_id.is_some() && deal.stage_id.is_some()).collect();
    let id = |text: &Option<String>| text.as_deref().and_then(|text| Uuid::try_parse(text).ok());
    let ids: BTreeSet<Uuid> = deals.iter().filter_map(|deal| id(&deal.pipeline_id)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let now = app.env.clock.now_micros();
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipelines = pipelines::all_of(&mut tx, ids.into_iter().collect(), now).await?;
    tx.commit().await?;
    let pipelines: BTreeMap<Uuid, Whole> =
        pipelines.into_iter().map(|whole| (whole.pipeline.id, whole)).collect();
    for deal in &mut deals {
        let (Some(pipeline), Some(stage)) = (id(&deal.pipeline_id), id(&deal.stage_id)) else { continue };
        let Some(whole) = pipelines.get(&pipeline) else { continue };
        let Some((key, _)) = whole.stage_ids.iter().find(|(_, known)| **known == stage) else { continue };
        let Some((_, stage)) = whole.in_force.document.stage(key) else { continue };
        deal.stage_name.clone_from(&stage.name);
        let since = deal.stage_entered_at.as_ref().and_then(proto::moment);
        let rests = stage.rotting_days.filter(|_| deal.status() == pb::DealStatus::Open);
        if fields.is_empty() {
            deal.missing_fields = missing(deal, &stage.required_fields, cx);
        }
        deal.rotten = since.zip(rests).is_some_and(|(since, days)| now - since > Duration::days(days.into()));
    }
    Ok(())
}

/// What a stage requires and a deal does not have, among the fields that the caller sees.
fn missing(deal: &pb::Deal, required: &[String], cx: &Context) -> Vec<String> {
    let mask = cx.mask(DEAL.name);
    let custom: Fields = serde_json::from_slice(&deal.custom).unwrap_or_default();
    let has = |name: &str| match name {
        "amount" => deal.amount.is_some(),
        "company_id" => deal.company_id.is_some(),
        "contacts" => !deal.contacts.is_empty(),
        "expected_close_date" => deal.expected_close_date.is_some(),
        "external_ids" => !deal.external_ids.is_empty(),
        "lost_reason" => deal.lost_reason.is_some(),
        "next_step" => deal.next_step.is_some(),
        "owner_id" => deal.owner_id.is_some(),
        "tags" => !deal.tags.is_empty(),
        "team_id" => deal.team_id.is_some(),
        name => {
            name.strip_prefix("custom.").and_then(|key| custom.get(key)).is_some_and(|value| !is_unset(value))
        }
    };
    required.iter().filter(|name| !mask.hides(name) && !has(name)).cloned().collect()
}
