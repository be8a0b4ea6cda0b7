//! A deal's message: how it is read and shown.

use auth::FieldMask;
use error::Error;
use field_types::moment::{date, date_text};
use prost::Message;
use prost::bytes::Bytes;
use proto::common::v1::{Access, Source};
use proto::pipeline::v1 as pb;
use record::definitions::FieldSet;
use record::view::View;
use record::{Env, Included, Object, Reader, Sent, Wire};

use super::{DEAL, contacts};

/// Deals on the wire.
#[derive(Debug)]
pub(crate) enum Deal {}

impl Wire for Deal {
    type Message = pb::Deal;

    fn object() -> &'static Object {
        &DEAL
    }

    fn read(sent: &pb::Deal, r: &mut Reader<'_>) {
        r.id("owner_id", &sent.owner_id);
        r.id("team_id", &sent.team_id);
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.line("name", &sent.name, 200);
        r.id("pipeline_id", &sent.pipeline_id);
        r.id("stage_id", &sent.stage_id);
        r.line("stage_reason", &sent.stage_reason, 1_000);
        r.money("amount", sent.amount.as_ref());
        r.value("probability", sent.probability);
        r.checked("expected_close_date", &sent.expected_close_date, |text| Ok(date_text(date(text)?)));
        r.line("lost_reason", &sent.lost_reason, 200);
        r.id("company_id", &sent.company_id);
        r.with("contacts", |input| contacts::read(input, &sent.contacts));
        r.line("next_step", &sent.next_step, 500);
    }

    fn show(view: View<'_>, access: Option<Access>) -> Result<pb::Deal, Error> {
        let source = view.choice("source", "SOURCE_").and_then(|name| Source::from_str_name(&name));
        let status =
            view.choice("status", "DEAL_STATUS_").and_then(|name| pb::DealStatus::from_str_name(&name));
        let of = view.choice("probability_source", "PROBABILITY_SOURCE_");
        let of = of.and_then(|name| pb::ProbabilitySource::from_str_name(&name));
        Ok(pb::Deal {
            id: view.id(),
            version: view.version(),
            created_at: view.moment("created_at"),
            created_by: view.text("created_by").unwrap_or_default(),
            updated_at: view.moment("updated_at"),
            updated_by: view.text("updated_by").unwrap_or_default(),
            deleted_at: view.moment("deleted_at"),
            owner_id: view.text("owner_id"),
            team_id: view.text("team_id"),
            source: source.unwrap_or_default() as i32,
            external_ids: view.map("external_ids"),
            tags: view.texts("tags"),
            name: view.text("name"),
            pipeline_id: view.text("pipeline_id"),
            stage_id: view.text("stage_id"),
            stage_reason: None,
            stage_key: view.text("stage_key").unwrap_or_default(),
            // These are what the pipeline says now: see `shown`.
            stage_name: String::new(),
            rotten: false,
            missing_fields: Vec::new(),
            rank: view.text("rank").unwrap_or_default(),
            pipeline_version: view.integer("pipeline_version").unwrap_or_default(),
            status: status.unwrap_or_default().into(),
            stage_entered_at: view.moment("stage_entered_at"),
            closed_at: view.moment("closed_at"),
            amount: view.money("amount"),
            probability: view.integer("probability"),
            probability_source: of.unwrap_or_default().into(),
            weighted_amount: view.money("weighted_amount"),
            expected_close_date: view.text("expected_close_date"),
            lost_reason: view.text("lost_reason"),
            company_id: view.text("company_id"),
            contacts: view.list("contacts", contacts::show),
            next_step: view.text("next_step"),
            custom: view.custom()?,
            access,
            etag: None,
            included: None,
            warnings: Vec::new(),
        })
    }

    fn include(deal: &mut pb::Deal, mut included: Included) {
        deal.included = Some(pb::DealIncluded {
            company: included.one("company"),
            contacts: included.all("contacts"),
            owner: included.one("owner"),
            stage: included.one("stage"),
        });
        deal.warnings = included.warnings;
    }

    fn custom(sent: &pb::Deal) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Deal) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Deal) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// How many of them are changed at once.
pub(crate) fn open(env: &Env, wire: Bytes, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
    let pb::UpdateDealRequest { deal, update_mask, .. } =
        pb::UpdateDealRequest::decode(wire).map_err(Error::internal)?;
    record::many::sent::<Deal>(env, (update_mask, deal.as_ref()), set, mask)
}
