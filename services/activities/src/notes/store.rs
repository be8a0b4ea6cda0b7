//! SQL of notes that is not that of every record.

use db::{DbError, TenantTx};
use uuid::Uuid;

/// Notes that the users have been told of a note, and gives those of them who had not been.
pub(super) async fn tell(tx: &mut TenantTx, note_id: Uuid, users: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(
        "INSERT INTO activities.note_told (tenant_id, note_id, user_id) SELECT $1, $2, unnest($3::uuid[])
         ON CONFLICT DO NOTHING RETURNING user_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(note_id).bind(users).fetch_all(tx.conn()).await?)
}
