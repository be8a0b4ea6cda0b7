//! `GetDealBoard`.

use std::collections::BTreeMap;

use auth::{Context, FieldMask};
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use proto::common::v1::{Money, Total, TotalKind};
use proto::pipeline::v1 as pb;
use query::Bind;
use query::groups::Grouping;
use record::groups::{self, Group, Grouped, grouped};
use record::list::{self, Within};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Deal;
use super::shown::{There, complete, mask};
use crate::app::App;
use crate::pipelines::{Whole, asked_for, retired_stages, shown_stages};

/// Cards of a column where nothing is said.
const CARDS: i32 = 20;
/// The order of cards.
const ORDER: &str = "rank";
const GROUPING: Grouping = Grouping {
    column: "stage_id",
    money: Some(("amount_minor", "amount_currency")),
    kept: Some("pipeline.deal_total"),
};

/// Shows the columns of a pipeline with their first cards, or more of one column. Two statements, and one more where retired stages hold deals; names that are
/// included come as those of a list.
/// Says as well what that cost beside others.
#[tracing::instrument(name = "pipeline.deals.board", skip_all)]
pub(crate) async fn board(
    app: &App,
    cx: &Context,
    request: pb::GetDealBoardRequest,
) -> error::Result<(pb::GetDealBoardResponse, u64)> {
    let now = app.env.clock.now_micros();
    let whole = asked_for(app, cx, request.pipeline_id.as_deref(), now).await?;
    let mask = mask(app, cx).await?;
    if mask.hides("stage_id") || mask.hides("pipeline_id") {
        let text = "the stages of deals are hidden from you, and a board shows nothing else";
        return Err(Error::new(Code::PermissionDenied, Reason::PERMISSION_DENIED, text));
    }
    let board = Board { app, cx, now, whole, mask };
    match &request.stage_id {
        Some(stage) => board.column(stage, &request).await,
        None if request.page_token.is_empty() => board.columns(&request).await,
        None => Err(Error::validation(vec![Violation::new(
            "/stage_id",
            Reason::REQUIRED,
            "a page token is that of one stage",
        )])),
    }
}

struct Board<'a> {
    app: &'a App,
    cx: &'a Context,
    now: OffsetDateTime,
    whole: Whole,
    mask: FieldMask,
}

impl Board<'_> {
    async fn columns(
        &self,
        request: &pb::GetDealBoardRequest,
    ) -> error::Result<(pb::GetDealBoardResponse, u64)> {
        let pipeline = self.whole.pipeline.id;
        let asked = groups::Asked {
            filter: &request.filter,
            within: Within { fixed: &[("pipeline_id", Bind::Uuid(pipeline))], order_by: ORDER },
            grouping: GROUPING,
            summed: "amount",
            page_size: usize::try_from(request.limit.unwrap_or(CARDS)).unwrap_or_default(),
            include: &request.include,
        };
        let Grouped { groups: mut found, warnings, cost } =
            grouped::<Deal>(&self.app.env, self.cx, asked).await?;
        let mut columns: Vec<pb::BoardColumn> =
            shown_stages(&self.whole).into_iter().map(|stage| self.shown(stage, false, &mut found)).collect();
        let left: Vec<Uuid> = found.keys().copied().collect();
        if !left.is_empty() {
            let mut tx = TenantTx::begin(&self.app.env.db, self.cx.tenant).await?;
            let retired = retired_stages(&mut tx, &left, self.now).await?;
            tx.commit().await?;
            columns.extend(retired.into_iter().map(|stage| self.shown(stage, true, &mut found)));
        }
        Ok((pb::GetDealBoardResponse { columns, warnings }, cost))
    }

    fn shown(
        &self,
        stage: pb::Stage,
        is_retired: bool,
        found: &mut BTreeMap<Uuid, Group<pb::Deal>>,
    ) -> pb::BoardColumn {
        let group = Uuid::try_parse(&stage.id).ok().and_then(|id| found.remove(&id));
        let group = group.unwrap_or_else(|| Group {
            count: 0,
            sums: Vec::new(),
            records: Vec::new(),
            next_page_token: String::new(),
        });
        let sums = group.sums.into_iter();
        let mut deals = group.records;
        self.complete(&stage, is_retired, &mut deals);
        pb::BoardColumn {
            over_limit: stage.wip_limit.is_some_and(|most| group.count > i64::from(most)),
            stage: Some(stage),
            is_retired,
            count: Some(Total { value: group.count, kind: TotalKind::Exact.into() }),
            sums: sums.map(|(currency, minor)| money(currency, minor)).collect(),
            deals,
            next_page_token: group.next_page_token,
        }
    }

    /// A stage of the pipeline; whether it is retired.
    async fn stage(&self, sent: &str) -> error::Result<(Uuid, pb::Stage, bool)> {
        let unknown = || Error::validation(vec![Violation::reference_not_found("/stage_id")]);
        let id = input::id(sent).map_err(|_| unknown())?;
        if let Some(stage) = shown_stages(&self.whole).into_iter().find(|stage| stage.id == id.to_string()) {
            return Ok((id, stage, false));
        }
        if !self.whole.stage_ids.values().any(|known| *known == id) {
            return Err(unknown());
        }
        let mut tx = TenantTx::begin(&self.app.env.db, self.cx.tenant).await?;
        let found = retired_stages(&mut tx, &[id], self.now).await?.pop();
        tx.commit().await?;
        Ok((id, found.ok_or_else(unknown)?, true))
    }

    /// More of a column: its cards only.
    async fn column(
        &self,
        stage: &str,
        request: &pb::GetDealBoardRequest,
    ) -> error::Result<(pb::GetDealBoardResponse, u64)> {
        let (id, stage, is_retired) = self.stage(stage).await?;
        let fixed = [("pipeline_id", Bind::Uuid(self.whole.pipeline.id)), (GROUPING.column, Bind::Uuid(id))];
        let asked = list::Asked {
            filter: &request.filter,
            order_by: "",
            page_size: Some(request.limit.unwrap_or(CARDS)),
            page_token: &request.page_token,
            fields: "",
            include: &request.include,
            show_deleted: 0,
            count: 0,
        };
        let within = Within { fixed: &fixed, order_by: ORDER };
        let mut listed = record::list_within::<Deal>(&self.app.env, self.cx, asked, within).await?;
        self.complete(&stage, is_retired, &mut listed.records);
        let column = pb::BoardColumn {
            stage: Some(stage),
            is_retired,
            deals: listed.records,
            next_page_token: listed.next_page_token,
            ..Default::default()
        };
        let answer = pb::GetDealBoardResponse { columns: vec![column], warnings: listed.warnings };
        Ok((answer, listed.cost))
    }

    fn complete(&self, stage: &pb::Stage, is_retired: bool, deals: &mut [pb::Deal]) {
        let there = There { name: &stage.name, rules: (!is_retired).then_some(stage) };
        for deal in deals {
            complete(&self.mask, &there, self.now, "", deal);
        }
    }
}

fn money(currency: String, minor: i64) -> Money {
    Money { amount_minor: Some(minor), currency: Some(currency) }
}
