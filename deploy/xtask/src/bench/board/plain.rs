//! The same by plain SQL.

use super::database::Sent;
use super::seed::{Seeded, TAG};

const BEGIN: &str = "BEGIN;\nSELECT set_config('app.tenant', '%tenant%', true);\n";

/// What a call sent, without the service.
pub(super) fn replay(sent: &Sent) -> String {
    let statements: Vec<String> =
        sent.statements.iter().map(|statement| statement.literal() + ";\n").collect();
    format!("{BEGIN}{}COMMIT;\n", statements.concat())
}

/// A move of some deal: the deal, the end of its stay, the next one, its change and its event as the service keeps them.
pub(super) fn move_deal(seeded: &Seeded) -> String {
    let Seeded { pipeline, second_stage, .. } = seeded;
    format!(
        "\\set n random(1, 100000)\n{BEGIN}\
         SELECT * FROM pipeline.deals WHERE tenant_id = '%tenant%' AND id = {id} FOR UPDATE;\n\
         UPDATE pipeline.deals SET version = version + 1, updated_at = now(), stage_entered_at = now(), stage_id = '{second_stage}' WHERE tenant_id = '%tenant%' AND id = {id};\n\
         UPDATE pipeline.stage_entry SET left_at = now(), left_to = '{second_stage}' WHERE tenant_id = '%tenant%' AND deal_id = {id} AND left_at IS NULL;\n\
         INSERT INTO pipeline.stage_entry (tenant_id, deal_id, sequence, pipeline_id, pipeline_version, stage_id, entered_at, status, created_at, created_here, actor_kind, actor_id, source)\n\
         SELECT '%tenant%', {id}, coalesce(max(sequence), 0) + 1, '{pipeline}', 1, '{second_stage}', now(), 'open', min(entered_at), true, 'user', '%tenant%', 'move' FROM pipeline.stage_entry WHERE tenant_id = '%tenant%' AND deal_id = {id};\n\
         COMMIT;\n",
        id = "('00000000-0000-7000-8000-' || lpad(to_hex(:n), 12, '0'))::uuid",
    )
}

/// An update of many deals and a row of the change log for each, in one statement.
pub(super) fn update_many(tenant: &str, seeded: &Seeded, many: usize) -> String {
    format!(
        "WITH changed AS (
             UPDATE pipeline.deals SET version = version + 1, updated_at = now(), next_step = 'Plain'
             WHERE tenant_id = '{tenant}' AND tags @> ARRAY['{TAG}'] RETURNING id, version)
         INSERT INTO {} SELECT '{tenant}', id, version, 'deal', now() FROM changed LIMIT {many}",
        seeded.scratch
    )
}
