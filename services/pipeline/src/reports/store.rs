//! SQL of reports. `$2` is the moment as of which they are, `$3` the pipeline, `$4` and `$5` the window.
//!
//! Where the caller sees all deals and chooses none, deals that were purged since are counted as well, by what the stage history keeps of them.
//! Else the deals are those of `visible`.

use query::rows::Piece::{self, Rows, Text};

/// An entry `e` of a deal that was not in the trash.
macro_rules! live {
    () => {
        "NOT EXISTS (SELECT FROM pipeline.deal_trash AS x WHERE x.tenant_id = $1 AND x.deal_id = e.deal_id AND x.deleted_at <= $2
             AND (x.restored_at IS NULL OR x.restored_at > $2))"
    };
}

/// All of the entries `e`.
macro_rules! all {
    () => {
        ") AS e"
    };
}

/// Chooses among entries `e` that were found by an index: from the deals on, all of their entries would be looked at, and nobody can estimate how many
/// deals a filter leaves (19 s instead of 1.1 s for 100,000 deals).
macro_rules! seen {
    () => {
        " OFFSET 0) AS e WHERE e.deal_id IN (SELECT id FROM visible)"
    };
}

const VISIBLE: Piece = Text("WITH visible AS MATERIALIZED (SELECT t.id");

/// Of each of the stages `$6`: how many of the deals created in the window came there, left it the last time for a stage that stands behind it in that
/// list, left it for one of the lost stages `$7`, or are there still; and the median of the visits that ended.
macro_rules! funnel {
    ($end:expr) => {
        concat!(
            "SELECT here.id, visits.* FROM unnest($6::uuid[]) WITH ORDINALITY AS here (id, place) CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE is_last) AS entered,
                     count(*) FILTER (WHERE is_last AND left_to = ANY($6[here.place + 1:]) AND left_to <> ALL($7)) AS left_forward,
                     count(*) FILTER (WHERE is_last AND left_to = ANY($7)) AS left_lost,
                     count(*) FILTER (WHERE seconds IS NULL) AS still_there,
                     percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds
                 FROM (
                     SELECT e.deal_id, e.again_at IS NULL OR e.again_at > $2 AS is_last,
                         CASE WHEN e.left_at <= $2 THEN e.left_to END AS left_to,
                         CASE WHEN e.left_at <= $2 THEN date_part('epoch', e.left_at - e.entered_at) END AS seconds
                     FROM pipeline.stage_entry AS e
                     WHERE e.tenant_id = $1 AND e.pipeline_id = $3 AND e.stage_id = here.id AND e.created_here
                       AND e.created_at >= $4 AND e.created_at < $5 AND e.entered_at <= $2 AND ",
            live!(),
            $end,
            ") AS visits"
        )
    };
}

pub(super) const FUNNEL_OF_ALL: &[Piece] = &[Text(funnel!(all!()))];
pub(super) const FUNNEL: &[Piece] = &[VISIBLE, Rows, Text(concat!(") ", funnel!(seen!())))];

/// Deals `closed` that were won or lost in the window.
macro_rules! closed {
    ($end:expr) => {
        concat!(
            "closed AS MATERIALIZED (SELECT * FROM (
                 SELECT e.deal_id, e.status, e.closed_at, e.created_at FROM pipeline.stage_entry AS e
                 WHERE e.tenant_id = $1 AND e.pipeline_id = $3 AND e.closed_at >= $4 AND e.closed_at < $5
                   AND e.entered_at <= $2 AND (e.left_at IS NULL OR e.left_at > $2) AND ",
            live!(),
            $end,
            ") "
        )
    };
}

/// How long the won ones took, without a stage; and how long visits took that ended, by stage.
macro_rules! velocity {
    () => {
        "SELECT NULL::uuid AS stage_id, count(*) AS deals,
             percentile_cont(ARRAY[0.5, 0.9]::float8[]) WITHIN GROUP (ORDER BY date_part('epoch', closed_at - created_at)) AS seconds
         FROM closed WHERE status = 'won'
         UNION ALL
         SELECT e.stage_id, count(DISTINCT e.deal_id),
             percentile_cont(ARRAY[0.5, 0.9]::float8[]) WITHIN GROUP (ORDER BY date_part('epoch', e.left_at - e.entered_at))
         FROM closed JOIN pipeline.stage_entry AS e ON e.tenant_id = $1 AND e.deal_id = closed.deal_id
         WHERE e.pipeline_id = $3 AND e.left_at <= $2 GROUP BY e.stage_id"
    };
}

pub(super) const VELOCITY_OF_ALL: &[Piece] = &[Text(concat!("WITH ", closed!(all!()), velocity!()))];
pub(super) const VELOCITY: &[Piece] = &[VISIBLE, Rows, Text(concat!("), ", closed!(seen!()), velocity!()))];

/// Reasons with the numbers of lost deals, the most frequent first, `$7` at most; without a reason, unless `$6`. The won ones come last, and every
/// row says how many there are of both.
macro_rules! win_loss {
    ($join:literal) => {
        concat!(
            "SELECT status = 'lost' AS is_lost, reason, deals, (sum(deals) FILTER (WHERE status = 'won') OVER ())::int8 AS won,
                 (sum(deals) FILTER (WHERE status = 'lost') OVER ())::int8 AS lost
             FROM (
                 SELECT closed.status, CASE WHEN $6 AND closed.status = 'lost' THEN visible.lost_reason END AS reason, count(*) AS deals
                 FROM closed ",
            $join,
            " visible ON visible.id = closed.deal_id GROUP BY 1, 2) AS counted
             ORDER BY is_lost DESC, deals DESC, reason LIMIT $7"
        )
    };
}

const WITH_REASONS: Piece = Text("WITH visible AS (SELECT t.id, t.lost_reason");
pub(super) const WIN_LOSS_OF_ALL: &[Piece] =
    &[WITH_REASONS, Rows, Text(concat!("), ", closed!(all!()), win_loss!("LEFT JOIN")))];
pub(super) const WIN_LOSS: &[Piece] =
    &[WITH_REASONS, Rows, Text(concat!("), ", closed!(all!()), win_loss!("JOIN")))];

/// By periods of `$6`, the first `$8` of them, and currencies: open deals by when they are expected to close, those without a date if `$7`, and
/// won ones. No sum is greater than `$9`.
macro_rules! forecast {
    ($purged:expr) => {
        concat!(
            "), e AS (
                 SELECT date_trunc($6, visible.expected_close_date::timestamp)::date AS start, true AS is_open, visible.deal_id,
                     visible.amount_currency AS currency, visible.amount_minor AS amount, visible.weighted_amount_minor AS weighted
                 FROM visible WHERE visible.status = 'open'
                   AND CASE WHEN visible.expected_close_date IS NULL THEN $7
                       ELSE visible.expected_close_date::timestamp AT TIME ZONE 'UTC' >= $4
                           AND visible.expected_close_date::timestamp AT TIME ZONE 'UTC' < $5 END
                 UNION ALL
                 SELECT date_trunc($6, visible.closed_at AT TIME ZONE 'UTC')::date, false, visible.deal_id,
                     visible.amount_currency, visible.amount_minor, NULL
                 FROM visible WHERE visible.status = 'won' AND visible.closed_at >= $4 AND visible.closed_at < $5",
            $purged,
            "),
             counted AS (
                 SELECT e.start, e.is_open, e.currency, count(*) AS deals, least(sum(e.amount), $9)::int8 AS amount,
                     least(sum(e.weighted), $9)::int8 AS weighted
                 FROM e WHERE ",
            live!(),
            " GROUP BY 1, 2, 3)
             SELECT * FROM (SELECT counted.*, dense_rank() OVER (ORDER BY start) AS place FROM counted) AS periods
             WHERE place <= $8 ORDER BY place, currency"
        )
    };
}

const WITH_AMOUNTS: Piece = Text(
    "WITH visible AS (
         SELECT t.id AS deal_id, t.status, t.closed_at, t.expected_close_date, t.amount_minor, t.amount_currency, t.weighted_amount_minor",
);
/// Open deals of then that were purged since; of a won one there is no amount to be counted.
pub(super) const FORECAST_OF_ALL: &[Piece] = &[
    WITH_AMOUNTS,
    Rows,
    Text(forecast!(
        " UNION ALL
         SELECT NULL, true, gone.deal_id, NULL, NULL, NULL FROM pipeline.deal_trash AS gone
         JOIN pipeline.stage_entry AS s ON s.tenant_id = $1 AND s.deal_id = gone.deal_id
         WHERE gone.tenant_id = $1 AND gone.restored_at IS NULL AND gone.deleted_at > $2
           AND s.pipeline_id = $3 AND s.status = 'open' AND s.entered_at <= $2 AND (s.left_at IS NULL OR s.left_at > $2) AND $7
           AND NOT EXISTS (SELECT FROM pipeline.deals AS d WHERE d.tenant_id = $1 AND d.id = gone.deal_id)"
    )),
];
pub(super) const FORECAST: &[Piece] = &[WITH_AMOUNTS, Rows, Text(forecast!(""))];
