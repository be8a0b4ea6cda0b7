//! SQL of the side tables of e-mail addresses and phone numbers, and of contacts that are named.

use db::{DbError, TenantTx};
use query::RowScope;
use uuid::Uuid;

/// Puts the addresses of contacts.
pub(crate) const PUT_EMAILS: &str = "INSERT INTO records.contact_email (tenant_id, contact_id, address, live)
     SELECT $1, contact_id, address, $6 FROM unnest($2::uuid[], $3::text[]) AS put (contact_id, address)";

/// Removes the addresses of contacts.
pub(crate) const CLEAR_EMAILS: &str =
    "DELETE FROM records.contact_email WHERE tenant_id = $1 AND contact_id = ANY($2)";

/// Marks the addresses of a contact as those of a live or deleted one.
pub(crate) const SET_EMAILS_LIVE: &str =
    "UPDATE records.contact_email SET live = $3 WHERE tenant_id = $1 AND contact_id = ANY($2)";

/// The addresses of contacts, as pairs.
pub(crate) const HELD_EMAILS: &str = "SELECT contact_id, address, '', live FROM records.contact_email
     WHERE tenant_id = $1 AND contact_id = ANY($2)";

/// Live contacts within a scope that have one of the addresses: 20 at most, of the first 1,000 that have it.
pub(crate) const ADDRESS_HOLDERS: &str = "SELECT DISTINCT c.id
     FROM (SELECT e.contact_id FROM records.contact_email AS e
           WHERE e.tenant_id = $1 AND e.address = ANY($2) AND e.live LIMIT 1000) AS held
     JOIN records.contacts AS c ON c.tenant_id = $1 AND c.id = held.contact_id
     WHERE c.deleted_at IS NULL AND ($3 OR c.owner_id = ANY($4) OR c.team_id = ANY($5))
     ORDER BY c.id LIMIT 20";

/// Puts the phone numbers of contacts.
pub(crate) const PUT_PHONES: &str = "INSERT INTO records.contact_phone (tenant_id, contact_id, number)
     SELECT $1, contact_id, number FROM unnest($2::uuid[], $3::text[]) AS put (contact_id, number)";

/// Removes the phone numbers of contacts.
pub(crate) const CLEAR_PHONES: &str =
    "DELETE FROM records.contact_phone WHERE tenant_id = $1 AND contact_id = ANY($2)";

/// The phone numbers of contacts, as pairs.
pub(crate) const HELD_PHONES: &str = "SELECT contact_id, number, '', true FROM records.contact_phone
     WHERE tenant_id = $1 AND contact_id = ANY($2)";

/// Per address of a file, the newest of the live contacts that have it, of those within the scope and those that the import
/// itself has made: without the latter, a row could not be told to repeat an earlier one by who may import and not read.
pub(crate) const IMPORTED_EMAILS: &str = "SELECT DISTINCT ON (e.address) e.address, '', e.contact_id, true
     FROM records.contact_email AS e
     JOIN records.contacts AS t ON t.tenant_id = $1 AND t.id = e.contact_id
     WHERE e.tenant_id = $1 AND e.live AND e.address = ANY($2) AND $3::text[] IS NOT NULL AND t.deleted_at IS NULL
       AND ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6)
            OR (t.created_by = $7 AND t.created_at >= $8 AND t.source = 'import'))
     ORDER BY e.address, e.contact_id DESC";

/// Per id of a file in another system, the live contact that has it.
pub(crate) const IMPORTED_EXTERNAL_IDS: &str = "SELECT e.system, e.external_id, e.record_id,
         ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6)
          OR (t.created_by = $7 AND t.created_at >= $8 AND t.source = 'import')) IS TRUE
     FROM unnest($2::text[], $3::text[]) AS wanted (system, id)
     JOIN records.external_id AS e ON e.tenant_id = $1 AND e.object = 'contact'
         AND e.system = wanted.system AND e.external_id = wanted.id
     JOIN records.contacts AS t ON t.tenant_id = $1 AND t.id = e.record_id
     WHERE e.live";

/// Of each address two live contacts within the scope at most: with two it is not said who is meant.
pub(crate) async fn of_addresses(
    tx: &mut TenantTx,
    addresses: &[String],
    scope: &RowScope,
) -> Result<Vec<(String, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT wanted.address, c.id FROM (SELECT DISTINCT address FROM unnest($2::text[]) AS w (address)) AS wanted
         CROSS JOIN LATERAL (
             SELECT t.id FROM records.contact_email AS e
             JOIN records.contacts AS t ON t.tenant_id = $1 AND t.id = e.contact_id
             WHERE e.tenant_id = $1 AND e.live AND e.address = wanted.address AND t.deleted_at IS NULL
               AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
             ORDER BY e.contact_id LIMIT 2) AS c",
    );
    let query = query.bind(tx.tenant_id()).bind(addresses);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}
