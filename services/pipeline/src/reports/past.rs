//! Deals as they were.

/// As of `$2`: those that were created by then, with the columns that filters compare. Each of them is what the first change since then replaced, and
/// the present value where there was none. Present are `name_folded` and with it `name`; so are the side tables of tags and contacts.
///
/// It goes on with what the caller may see of deals as they are now: what was theirs once and is not any more stays hidden, also in reports. Deals
/// that were in the trash are among them.
pub(super) const DEALS: &str = "
    SELECT t.tenant_id, t.id, t.created_at, t.created_by, NULL::timestamptz AS deleted_at, t.source, t.name, t.name_folded,
        CASE WHEN t.updated_at > $2 THEN (
            SELECT c.version FROM pipeline.change AS c
            WHERE c.tenant_id = $1 AND c.object = 'deal' AND c.record_id = t.id AND c.changed_at <= $2
            ORDER BY c.version DESC LIMIT 1) ELSE t.version END AS version,
        CASE WHEN t.updated_at > $2 THEN (
            SELECT c.changed_at FROM pipeline.change AS c
            WHERE c.tenant_id = $1 AND c.object = 'deal' AND c.record_id = t.id AND c.changed_at <= $2
            ORDER BY c.version DESC LIMIT 1) ELSE t.updated_at END AS updated_at,
        CASE WHEN t.updated_at > $2 THEN (
            SELECT c.actor FROM pipeline.change AS c
            WHERE c.tenant_id = $1 AND c.object = 'deal' AND c.record_id = t.id AND c.changed_at <= $2
            ORDER BY c.version DESC LIMIT 1) ELSE t.updated_by END AS updated_by,
        CASE WHEN b.was ? 'owner_id' THEN (b.was ->> 'owner_id')::uuid ELSE t.owner_id END AS owner_id,
        CASE WHEN b.was ? 'team_id' THEN (b.was ->> 'team_id')::uuid ELSE t.team_id END AS team_id,
        CASE WHEN b.was ? 'pipeline_id' THEN (b.was ->> 'pipeline_id')::uuid ELSE t.pipeline_id END AS pipeline_id,
        CASE WHEN b.was ? 'stage_id' THEN (b.was ->> 'stage_id')::uuid ELSE t.stage_id END AS stage_id,
        CASE WHEN b.was ? 'stage_key' THEN b.was ->> 'stage_key' ELSE t.stage_key END COLLATE \"C\" AS stage_key,
        CASE WHEN b.was ? 'pipeline_version' THEN (b.was ->> 'pipeline_version')::integer ELSE t.pipeline_version END AS pipeline_version,
        CASE WHEN b.was ? 'status' THEN b.was ->> 'status' ELSE t.status END COLLATE \"C\" AS status,
        CASE WHEN b.was ? 'stage_entered_at' THEN (b.was ->> 'stage_entered_at')::timestamptz ELSE t.stage_entered_at END AS stage_entered_at,
        CASE WHEN b.was ? 'closed_at' THEN (b.was ->> 'closed_at')::timestamptz ELSE t.closed_at END AS closed_at,
        CASE WHEN b.was ? 'rank' THEN b.was ->> 'rank' ELSE t.rank END COLLATE \"C\" AS rank,
        m.amount_minor, m.amount_currency, m.probability,
        CASE WHEN b.was ? 'probability_source' THEN b.was ->> 'probability_source' ELSE t.probability_source END COLLATE \"C\"
            AS probability_source,
        least(div(m.amount_minor::numeric * m.probability + 50, 100), 9223372036854775807)::bigint AS weighted_amount_minor,
        m.amount_currency AS weighted_amount_currency,
        CASE WHEN b.was ? 'expected_close_date' THEN (b.was ->> 'expected_close_date')::date ELSE t.expected_close_date END
            AS expected_close_date,
        CASE WHEN b.was ? 'lost_reason' THEN b.was ->> 'lost_reason' ELSE t.lost_reason END COLLATE \"C\" AS lost_reason,
        CASE WHEN b.was ? 'company_id' THEN (b.was ->> 'company_id')::uuid ELSE t.company_id END AS company_id,
        CASE WHEN b.was ? 'next_step' THEN b.was ->> 'next_step' ELSE t.next_step END COLLATE \"C\" AS next_step,
        CASE WHEN b.was IS NULL THEN t.custom ELSE jsonb_strip_nulls(t.custom || (
            SELECT coalesce(jsonb_object_agg(substr(f.key, 8), f.value), '{}') FROM jsonb_each(b.was) AS f
            WHERE starts_with(f.key, 'custom.'))) END AS custom
    FROM pipeline.deals AS t
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(f.key, f.value ORDER BY c.version DESC) AS was
        FROM pipeline.change AS c CROSS JOIN LATERAL jsonb_each(c.before) AS f
        WHERE t.updated_at > $2 AND c.tenant_id = $1 AND c.object = 'deal' AND c.record_id = t.id AND c.changed_at > $2) AS b
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.was ? 'amount' THEN (b.was #>> '{amount,amount_minor}')::bigint ELSE t.amount_minor END AS amount_minor,
            CASE WHEN b.was ? 'amount' THEN b.was #>> '{amount,currency}' ELSE t.amount_currency END COLLATE \"C\" AS amount_currency,
            CASE WHEN b.was ? 'probability' THEN (b.was ->> 'probability')::integer ELSE t.probability END AS probability) AS m
    WHERE t.tenant_id = $1 AND t.created_at <= $2";
