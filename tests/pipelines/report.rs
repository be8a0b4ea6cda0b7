//! The reports, computed from the model deal by deal.

use std::collections::{BTreeMap, BTreeSet};

use proto::common::v1::Money;
use proto::pipeline::v1 as pb;
use time::{Date, OffsetDateTime};

use super::model::{Deal, Model, Stage, Stay};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'m> {
    pub(super) model: &'m Model,
    pub(super) pipeline: usize,
    pub(super) as_of: OffsetDateTime,
    /// The window.
    pub(super) from: OffsetDateTime,
    pub(super) to: OffsetDateTime,
    /// Only deals of this amount in euros, or more.
    pub(super) least: Option<i64>,
}

/// The numbers of a stage of a funnel, by its name.
pub(super) type Funnel = Vec<(String, [i64; 4], Option<f64>)>;

/// A value between two where none is at the place: as `percentile_cont` of SQL.
pub(crate) fn percentile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = part * (values.len().checked_sub(1)? as f64);
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

fn seconds(from: OffsetDateTime, to: OffsetDateTime) -> f64 {
    (to - from).as_seconds_f64()
}

/// A visit of a stage of the pipeline that is asked about, and what came after it.
struct Visit<'m> {
    stay: &'m Stay,
    next: Option<&'m Stay>,
}

impl<'m> Question<'m> {
    /// The deals that count: of a purged one nothing is left that a filter could choose.
    fn deals(self) -> impl Iterator<Item = &'m Deal> {
        self.model.deals.iter().filter(move |deal| deal.is_live(self.as_of)).filter(move |deal| {
            let amount = deal.amount.at(self.as_of).copied().flatten();
            self.least.is_none_or(|least| {
                !deal.is_purged && amount.is_some_and(|(minor, currency)| minor >= least && currency == "EUR")
            })
        })
    }

    fn in_window(self, at: OffsetDateTime) -> bool {
        at >= self.from && at < self.to
    }

    fn visits(self, deal: &'m Deal) -> Vec<Visit<'m>> {
        let stays = deal.stays(self.as_of);
        let next = stays.iter().skip(1).map(Some).chain([None]);
        let visits = stays.iter().zip(next).map(|(stay, next)| Visit { stay, next });
        visits.filter(|visit| visit.stay.pipeline == self.pipeline).collect()
    }

    /// All stages that the pipeline had by then, as they are shown: those in force, then the retired ones, the last retired first. And the way on which
    /// they stand: each retired one behind the last of those that it followed in its last version.
    fn stages(self) -> (Vec<&'m Stage>, Vec<&'static str>) {
        let in_force = self.model.in_force(self.pipeline, self.as_of);
        let mut shown: Vec<&Stage> = in_force.iter().collect();
        let mut way: Vec<&str> = in_force.iter().map(|stage| stage.key).collect();
        for version in self.model.pipelines[self.pipeline].versions.up_to(self.as_of).rev() {
            for (at, stage) in version.iter().enumerate() {
                if way.contains(&stage.key) {
                    continue;
                }
                let is_before = |key: &&str| version[..at].iter().any(|before| before.key == *key);
                let behind = way.iter().rposition(is_before).map_or(0, |last| last + 1);
                way.insert(behind, stage.key);
                shown.push(stage);
            }
        }
        (shown, way)
    }

    pub(super) fn funnel(self) -> (Funnel, i64, i64) {
        let (stages, way) = self.stages();
        let created_here = |deal: &&Deal| deal.stays[0].pipeline == self.pipeline;
        let deals: Vec<&Deal> =
            self.deals().filter(created_here).filter(|deal| self.in_window(deal.stays[0].at)).collect();
        let (mut rows, mut ends) = (Funnel::new(), [0, 0]);
        for stage in stages {
            let (mut counts, mut took) = ([0; 4], Vec::new());
            for deal in &deals {
                let visits: Vec<_> =
                    self.visits(deal).into_iter().filter(|visit| visit.stay.key == stage.key).collect();
                took.extend(visits.iter().filter_map(|visit| Some(seconds(visit.stay.at, visit.next?.at))));
                let Some(last) = visits.last() else { continue };
                counts[0] += 1;
                let place = |stay: &Stay| way.iter().position(|key| *key == stay.key);
                match last.next {
                    None => counts[3] += 1,
                    Some(next) if next.pipeline != self.pipeline => {}
                    Some(next) if next.kind == pb::StageKind::Lost => counts[2] += 1,
                    Some(next) => {
                        // A won stage is later than all others.
                        let is_forward = match (stage.kind == next.kind, next.kind) {
                            (true, _) => place(next) > place(last.stay),
                            (false, kind) => kind == pb::StageKind::Won,
                        };
                        counts[1] += i64::from(is_forward);
                    }
                }
            }
            match stage.kind {
                pb::StageKind::Won => ends[0] += counts[3],
                pb::StageKind::Lost => ends[1] += counts[3],
                _ => {}
            }
            let is_retired =
                !self.model.in_force(self.pipeline, self.as_of).iter().any(|s| s.key == stage.key);
            if !is_retired || counts[0] > 0 {
                rows.push((stage.name.clone(), counts, percentile(took, 0.5)));
            }
        }
        (rows, ends[0], ends[1])
    }

    /// Deals in the pipeline that were won or lost in the window.
    fn closed(self) -> impl Iterator<Item = (&'m Deal, pb::StageKind, OffsetDateTime)> {
        self.deals().filter_map(move |deal| {
            let last = deal.stays(self.as_of).last()?;
            let at = deal.closed_at(self.as_of).filter(|at| self.in_window(*at))?;
            (last.pipeline == self.pipeline).then_some((deal, last.kind, at))
        })
    }

    /// Count, median and p90 in days of the won ones; by the names of stages, deals, median and p90 in seconds.
    #[allow(clippy::type_complexity, reason = "what a report says, compared once")]
    pub(super) fn velocity(
        self,
    ) -> ((i64, Option<f64>, Option<f64>), Vec<(String, i64, Option<f64>, Option<f64>)>) {
        let won = self.closed().filter(|(_, kind, _)| *kind == pb::StageKind::Won);
        let days: Vec<f64> = won.map(|(deal, _, at)| seconds(deal.stays[0].at, at) / 86_400.0).collect();
        let won = (days.len() as i64, percentile(days.clone(), 0.5), percentile(days, 0.9));
        let in_force = self.model.in_force(self.pipeline, self.as_of);
        let by_stage = self.stages().0.into_iter().filter_map(|stage| {
            let (mut deals, mut took) = (BTreeSet::new(), Vec::new());
            for (deal, ..) in self.closed() {
                for visit in self.visits(deal).iter().filter(|visit| visit.stay.key == stage.key) {
                    if let Some(next) = visit.next {
                        deals.insert(&deal.id);
                        took.push(seconds(visit.stay.at, next.at));
                    }
                }
            }
            let is_shown = in_force.iter().any(|known| known.key == stage.key) || !deals.is_empty();
            let (median, p90) = (percentile(took.clone(), 0.5), percentile(took, 0.9));
            is_shown.then(|| (stage.name.clone(), deals.len() as i64, median, p90))
        });
        (won, by_stage.collect())
    }

    pub(super) fn win_loss(self) -> pb::GetWinLossResponse {
        let (mut won, mut lost) = (0, 0);
        let mut reasons: BTreeMap<Option<&str>, i64> = BTreeMap::new();
        for (deal, kind, _) in self.closed() {
            if kind == pb::StageKind::Won {
                won += 1;
                continue;
            }
            lost += 1;
            let reason = deal.reason.at(self.as_of).copied().flatten().filter(|_| !deal.is_purged);
            *reasons.entry(reason).or_default() += 1;
        }
        // The most frequent first, then by their texts; none comes last.
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(reason, count)| (-count, reason.is_none(), *reason));
        let lost_reasons = reasons
            .into_iter()
            .map(|(reason, count)| pb::LostReason { reason: reason.map(str::to_owned), count })
            .collect();
        let rate = (won + lost > 0).then(|| won as f64 / (won + lost) as f64);
        pb::GetWinLossResponse { won, lost, rate, lost_reasons }
    }

    /// By months, without a window.
    pub(super) fn forecast(self) -> Vec<pb::Forecast> {
        type Sums = BTreeMap<&'static str, i64>;
        type Period = (Sums, Sums, Sums, i64);
        let mut periods: BTreeMap<(bool, Option<Date>), Period> = BTreeMap::new();
        let month = |day: Date| day.replace_day(1).unwrap();
        for deal in self.deals() {
            let Some(last) = deal.stays(self.as_of).last().filter(|stay| stay.pipeline == self.pipeline)
            else {
                continue;
            };
            let amount = deal.amount.at(self.as_of).copied().flatten().filter(|_| !deal.is_purged);
            let date = deal.date.at(self.as_of).copied().flatten().filter(|_| !deal.is_purged);
            match last.kind {
                pb::StageKind::Lost => {}
                pb::StageKind::Won if deal.is_purged => {}
                pb::StageKind::Won => {
                    let day = month(deal.closed_at(self.as_of).unwrap().date());
                    let period = periods.entry((false, Some(day))).or_default();
                    if let Some((minor, currency)) = amount {
                        *period.2.entry(currency).or_default() += minor;
                    }
                }
                _ => {
                    let period = periods.entry((date.is_none(), date.map(month))).or_default();
                    period.3 += 1;
                    if let Some((minor, currency)) = amount {
                        let percent = *deal.probability.at(self.as_of).unwrap();
                        *period.0.entry(currency).or_default() += minor;
                        *period.1.entry(currency).or_default() += (minor * percent + 50) / 100;
                    }
                }
            }
        }
        let money = |sums: Sums| {
            let of = |(currency, minor): (&str, i64)| Money {
                amount_minor: Some(minor),
                currency: Some(currency.to_owned()),
            };
            sums.into_iter().map(of).collect()
        };
        let periods = periods.into_iter().map(|((_, start), (open, weighted, won, count))| pb::Forecast {
            start: start.map(|day| day.to_string()),
            open: money(open),
            weighted: money(weighted),
            won: money(won),
            count,
        });
        periods.collect()
    }
}
