//! What of deals is as their pipelines say it now: the names of their stages, what these require, and whether they have been there for too
//! long.

use std::collections::{BTreeMap, BTreeSet};

use auth::{Context, FieldMask};
use db::TenantTx;
use proto::pipeline::v1 as pb;
use record::Fields;
use record::fields::is_unset;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::DEAL;
use crate::app::App;
use crate::pipelines::{self, retired_stages, shown_stages};

/// The stage of a deal as it is shown.
pub(super) struct There<'a> {
    /// As it is called now, or was when it was retired.
    pub(super) name: &'a str,
    /// What it says of its deals; a retired one says nothing any more.
    pub(super) rules: Option<&'a pb::Stage>,
}

/// What the caller sees of deals. An archived custom field is hidden from everybody.
pub(crate) async fn mask(app: &App, cx: &Context) -> error::Result<FieldMask> {
    let set = app.env.definitions.for_keys(cx, &DEAL, []).await?;
    Ok(set.mask(&DEAL, cx.mask(DEAL.name)))
}

/// Completes deals as they are shown, whole or with some `fields`: the same number of statements for any number of deals. What the caller
/// does not see of a deal it does not get by this either.
pub(crate) async fn shown<'d>(
    app: &App,
    cx: &Context,
    fields: &str,
    deals: impl IntoIterator<Item = &'d mut pb::Deal>,
) -> error::Result<()> {
    let id = |text: &Option<String>| text.as_deref().and_then(|text| Uuid::try_parse(text).ok());
    let stands = |deal: &pb::Deal| id(&deal.stage_id).zip(id(&deal.pipeline_id));
    let deals: Vec<_> =
        deals.into_iter().filter_map(|deal| stands(deal).map(|(stage, of)| (stage, of, deal))).collect();
    let ids: BTreeSet<Uuid> = deals.iter().map(|(_, pipeline, _)| *pipeline).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mask = mask(app, cx).await?;
    let now = app.env.clock.now_micros();
    let mut tx = TenantTx::begin_snapshot_with_kept_plans(&app.env.db, cx.tenant).await?;
    let pipelines = pipelines::all_of(&mut tx, ids.into_iter().collect(), now).await?;
    let by_id = |stage: pb::Stage| Some((Uuid::try_parse(&stage.id).ok()?, stage));
    let stages: BTreeMap<Uuid, pb::Stage> =
        pipelines.iter().flat_map(shown_stages).filter_map(by_id).collect();
    let left: BTreeSet<Uuid> =
        deals.iter().map(|(stage, ..)| *stage).filter(|stage| !stages.contains_key(stage)).collect();
    let mut retired = BTreeMap::new();
    if !left.is_empty() {
        let found = retired_stages(&mut tx, &Vec::from_iter(left), now).await?;
        retired.extend(found.into_iter().filter_map(by_id));
    }
    tx.commit().await?;
    for (stage, _, deal) in deals {
        let rules = stages.get(&stage);
        let name = rules.or_else(|| retired.get(&stage)).map(|stage| stage.name.as_str());
        complete(&mask, &There { name: name.unwrap_or_default(), rules }, now, fields, deal);
    }
    Ok(())
}

/// Completes a deal by its stage.
pub(super) fn complete(
    mask: &FieldMask,
    there: &There<'_>,
    now: OffsetDateTime,
    fields: &str,
    deal: &mut pb::Deal,
) {
    if !mask.hides("stage_name") {
        there.name.clone_into(&mut deal.stage_name);
        let stage = deal.included.as_mut().and_then(|included| included.stage.as_mut());
        if let Some(stage) = stage.filter(|_| !there.name.is_empty()) {
            stage.name = Some(there.name.to_owned());
        }
    }
    let Some(stage) = there.rules else { return };
    let is_open = deal.status() == pb::DealStatus::Open;
    let since = deal.stage_entered_at.as_ref().and_then(proto::moment);
    let rests = stage.rotting_days.filter(|_| is_open && !mask.hides("rotten"));
    deal.rotten = since.zip(rests).is_some_and(|(since, days)| now - since > Duration::days(days.into()));
    if fields.is_empty() && !mask.hides("missing_fields") {
        deal.missing_fields = missing(deal, &stage.required_fields, mask);
    }
}

/// What a stage requires and a deal does not have, among the fields that the caller sees.
fn missing(deal: &pb::Deal, required: &[String], mask: &FieldMask) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::STANDARD;

    #[test]
    fn every_field_that_can_be_required_can_be_had() {
        let some = || Some("x".to_owned());
        let deal = pb::Deal {
            amount: Some(proto::common::v1::Money::default()),
            company_id: some(),
            contacts: vec![pb::DealContact::default()],
            expected_close_date: some(),
            external_ids: [("erp".to_owned(), "1".to_owned())].into(),
            lost_reason: some(),
            next_step: some(),
            owner_id: some(),
            tags: vec!["x".to_owned()],
            team_id: some(),
            custom: r#"{"tier":"gold","seats":null}"#.into(),
            ..Default::default()
        };
        let mut required: Vec<String> = STANDARD.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(missing(&pb::Deal::default(), &required, &FieldMask::default()), required);
        required.extend(["custom.tier".to_owned(), "custom.seats".to_owned()]);
        assert_eq!(missing(&deal, &required, &FieldMask::default()), ["custom.seats"]);
    }
}
