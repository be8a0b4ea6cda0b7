//! SQL of the calendar of a user: which activities are in it. What the user may see of them is not decided here.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// A user, and by which of the ways an activity can be the user's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    pub(super) user: Uuid,
    /// The user is to do it.
    pub(super) assignee: bool,
    /// The user owns it.
    pub(super) owner: bool,
    /// The user takes part in it.
    pub(super) participant: bool,
    /// Also those that do not begin, and are due.
    pub(super) due: bool,
}

/// `$2` user, `$3` from, `$4` to, `$5` number, `$6` `$7` `$8` the ways, `$9` whether also those that are only due. A range of an index for each way.
macro_rules! of_user {
    ($order:literal) => {
        concat!(
            "SELECT id FROM (
                 (SELECT id, COALESCE(starts_at, due_at) AS at FROM activities.activities
                  WHERE tenant_id = $1 AND $6 AND assignee_id = $2 AND deleted_at IS NULL
                      AND COALESCE(starts_at, due_at) >= $3 AND COALESCE(starts_at, due_at) < $4
                      AND ($9 OR starts_at IS NOT NULL)
                  ORDER BY at ",
            $order,
            " LIMIT $5)
                 UNION
                 (SELECT id, COALESCE(starts_at, due_at) AS at FROM activities.activities
                  WHERE tenant_id = $1 AND $7 AND owner_id = $2 AND deleted_at IS NULL
                      AND COALESCE(starts_at, due_at) >= $3 AND COALESCE(starts_at, due_at) < $4
                      AND ($9 OR starts_at IS NOT NULL)
                  ORDER BY at ",
            $order,
            " LIMIT $5)
                 UNION
                 (SELECT a.id, COALESCE(a.starts_at, a.due_at) AS at FROM activities.activity_participant AS p
                  JOIN activities.activities AS a ON a.tenant_id = p.tenant_id AND a.id = p.activity_id
                  WHERE p.tenant_id = $1 AND $8 AND p.record_id = $2 AND p.object = 'user' AND a.deleted_at IS NULL
                      AND COALESCE(a.starts_at, a.due_at) >= $3 AND COALESCE(a.starts_at, a.due_at) < $4
                      AND ($9 OR a.starts_at IS NOT NULL)
                  ORDER BY at ",
            $order,
            " LIMIT $5)) AS found
             ORDER BY at ",
            $order,
            ", id LIMIT $5"
        )
    };
}

/// Those that begin, or else are due, from a moment on and before another: the first of them.
pub(super) async fn ahead(
    tx: &mut TenantTx,
    whose: Whose,
    from: OffsetDateTime,
    to: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    found(tx, of_user!("ASC"), whose, (from, to, limit)).await
}

/// As [`ahead`]: the last of them.
pub(super) async fn behind(
    tx: &mut TenantTx,
    whose: Whose,
    from: OffsetDateTime,
    to: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    found(tx, of_user!("DESC"), whose, (from, to, limit)).await
}

async fn found(
    tx: &mut TenantTx,
    sql: &'static str,
    whose: Whose,
    (from, to, limit): (OffsetDateTime, OffsetDateTime, i64),
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(sql).bind(tx.tenant_id()).bind(whose.user).bind(from).bind(to).bind(limit);
    let query = query.bind(whose.assignee).bind(whose.owner).bind(whose.participant).bind(whose.due);
    Ok(query.fetch_all(tx.conn()).await?)
}
