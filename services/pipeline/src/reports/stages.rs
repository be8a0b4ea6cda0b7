//! The stages of a report: as they were called at its moment.

use std::collections::BTreeMap;

use proto::pipeline::v1 as pb;
use uuid::Uuid;

use super::Question;
use crate::pipelines::{shown_stages, stages_before};

/// The stages that a pipeline had up to a moment.
pub(super) struct Stages {
    /// In the order in which they are shown, and whether they were retired by then. Retired ones come last.
    pub(super) shown: Vec<(Uuid, pb::Stage, bool)>,
    /// The way of deals: open stages in their order, then those of a loss, then those of a win. Retired stages are put in one by one, the last retired
    /// first, each behind the last of those that it followed when it was in force.
    pub(super) way: Vec<Uuid>,
}

impl Stages {
    /// Those of a pipeline.
    pub(super) async fn of(question: &Question<'_>) -> error::Result<Self> {
        let Question { app, cx, whole, as_of, .. } = question;
        let retired = stages_before(app, cx, whole, *as_of).await?;
        Ok(Self::from(shown_stages(whole), retired))
    }

    fn from(in_force: Vec<pb::Stage>, retired: Vec<(pb::Stage, Vec<String>)>) -> Self {
        let mut order: Vec<pb::Stage> = in_force.clone();
        for (stage, before) in &retired {
            let follows = order.iter().rposition(|known| before.contains(&known.key));
            order.insert(follows.map_or(0, |at| at + 1), stage.clone());
        }
        // The order of the kinds; within each, that of the stages stays.
        order.sort_by_key(|stage| match stage.kind() {
            pb::StageKind::Open | pb::StageKind::Unspecified => 0,
            pb::StageKind::Lost => 1,
            pb::StageKind::Won => 2,
        });
        let in_force = in_force.into_iter().map(|stage| (stage, false));
        let all = in_force.chain(retired.into_iter().map(|(stage, _)| (stage, true)));
        let shown = all.filter_map(|(stage, is_retired)| Some((id(&stage)?, stage, is_retired)));
        Self { shown: shown.collect(), way: order.iter().filter_map(id).collect() }
    }

    /// The stages of a loss.
    pub(super) fn lost(&self) -> Vec<Uuid> {
        let lost = self.shown.iter().filter(|(_, stage, _)| stage.kind() == pb::StageKind::Lost);
        lost.map(|(id, ..)| *id).collect()
    }

    /// Each stage with what was found of it, if anything.
    pub(super) fn with<T>(
        self,
        mut found: BTreeMap<Uuid, T>,
    ) -> impl Iterator<Item = (pb::Stage, bool, Option<T>)> {
        self.shown.into_iter().map(move |(id, stage, is_retired)| (stage, is_retired, found.remove(&id)))
    }
}

fn id(stage: &pb::Stage) -> Option<Uuid> {
    Uuid::try_parse(&stage.id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(n: u128, kind: pb::StageKind) -> pb::Stage {
        let id = Uuid::from_u128(n).to_string();
        pb::Stage { id, key: format!("s{n}"), kind: kind.into(), ..Default::default() }
    }

    #[test]
    fn a_retired_stage_stands_behind_the_one_that_it_followed() {
        let open = |n| stage(n, pb::StageKind::Open);
        let in_force =
            vec![open(1), stage(8, pb::StageKind::Won), open(3), open(5), stage(9, pb::StageKind::Lost)];
        let keys = |keys: &[u128]| keys.iter().map(|n| format!("s{n}")).collect::<Vec<_>>();
        let retired = vec![
            (open(4), keys(&[1, 2, 3])),
            (open(7), keys(&[1, 3, 4])),
            (open(2), keys(&[1])),
            (open(6), Vec::new()),
        ];
        let stages = Stages::from(in_force, retired);
        let way: Vec<u128> = stages.way.iter().map(Uuid::as_u128).collect();
        assert_eq!(way, [6, 1, 2, 3, 4, 7, 5, 9, 8]);
        let shown: Vec<(u128, bool)> =
            stages.shown.iter().map(|(id, _, is_retired)| (id.as_u128(), *is_retired)).collect();
        let retired = [(4, true), (7, true), (2, true), (6, true)];
        assert_eq!(
            shown,
            [[(1, false), (8, false), (3, false), (5, false), (9, false)].as_slice(), &retired].concat()
        );
    }
}
