//! All SQL of ties between contacts and companies.

use db::{DbError, TenantTx};
use query::RowScope;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// A company of each contact, within a scope: the primary one, deleted or not, or else the first of [`list`].
pub(crate) const FIRST_COMPANIES: &str = "SELECT DISTINCT ON (l.contact_id) l.contact_id, l.company_id
     FROM records.contact_company AS l
     JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = l.company_id
     WHERE l.tenant_id = $1 AND l.contact_id = ANY($2)
       AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
     ORDER BY l.contact_id, l.is_primary DESC, t.deleted_at IS NOT NULL, l.created_at, l.company_id";

/// A tie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) company_id: Uuid,
    pub(crate) role: Option<String>,
    pub(crate) is_primary: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

type Row = (Uuid, Option<String>, bool, OffsetDateTime);

fn link((company_id, role, is_primary, created_at): Row) -> Link {
    Link { company_id, role, is_primary, created_at }
}

/// The tie of a contact to a company.
pub(crate) async fn get(tx: &mut TenantTx, contact: Uuid, company: Uuid) -> Result<Option<Link>, DbError> {
    let query = sqlx::query_as(
        "SELECT company_id, role, is_primary, created_at FROM records.contact_company
         WHERE tenant_id = $1 AND contact_id = $2 AND company_id = $3",
    );
    let row: Option<Row> =
        query.bind(tx.tenant_id()).bind(contact).bind(company).fetch_optional(tx.conn()).await?;
    Ok(row.map(link))
}

/// How many ties a contact has.
pub(crate) async fn count(tx: &mut TenantTx, contact: Uuid) -> Result<i64, DbError> {
    let query = sqlx::query_scalar(
        "SELECT count(*) FROM records.contact_company WHERE tenant_id = $1 AND contact_id = $2",
    );
    Ok(query.bind(tx.tenant_id()).bind(contact).fetch_one(tx.conn()).await?)
}

/// Makes no tie of a contact the primary one.
pub(crate) async fn clear_primary(tx: &mut TenantTx, contact: Uuid) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE records.contact_company SET is_primary = false
         WHERE tenant_id = $1 AND contact_id = $2 AND is_primary",
    );
    query.bind(tx.tenant_id()).bind(contact).execute(tx.conn()).await?;
    Ok(())
}

/// Makes the oldest tie of each contact to a live company the primary one, `but` for one that stops being it. A contact that has a primary
/// one keeps it.
pub(crate) async fn make_primary(
    tx: &mut TenantTx,
    contacts: &[Uuid],
    but: Option<Uuid>,
) -> Result<(), DbError> {
    if contacts.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE records.contact_company AS t SET is_primary = true
         FROM unnest($2::uuid[]) AS c (id) CROSS JOIN LATERAL (
             SELECT l.company_id FROM records.contact_company AS l
             JOIN records.companies AS company ON company.tenant_id = $1 AND company.id = l.company_id
             WHERE l.tenant_id = $1 AND l.contact_id = c.id AND company.deleted_at IS NULL
               AND l.company_id IS DISTINCT FROM $3
             ORDER BY l.created_at, l.company_id LIMIT 1) AS oldest
         WHERE t.tenant_id = $1 AND t.contact_id = c.id AND t.company_id = oldest.company_id
           AND NOT EXISTS (SELECT FROM records.contact_company AS p
                           WHERE p.tenant_id = $1 AND p.contact_id = c.id AND p.is_primary)",
    );
    query.bind(tx.tenant_id()).bind(contacts).bind(but).execute(tx.conn()).await?;
    Ok(())
}

/// How many ties a contact has `but` for those to some companies, and whether one of them is the primary one.
pub(crate) async fn standing(tx: &mut TenantTx, contact: Uuid, but: &[Uuid]) -> Result<(i64, bool), DbError> {
    let query = sqlx::query_as(
        "SELECT count(*), coalesce(bool_or(is_primary), false) FROM records.contact_company
         WHERE tenant_id = $1 AND contact_id = $2 AND company_id <> ALL($3)",
    );
    Ok(query.bind(tx.tenant_id()).bind(contact).bind(but).fetch_one(tx.conn()).await?)
}

/// Makes ties of contacts, or changes them.
pub(crate) async fn put(tx: &mut TenantTx, actor: Uuid, links: &[(Uuid, Link)]) -> Result<(), DbError> {
    let contacts: Vec<Uuid> = links.iter().map(|(contact, _)| *contact).collect();
    let companies: Vec<Uuid> = links.iter().map(|(_, link)| link.company_id).collect();
    let roles: Vec<Option<&str>> = links.iter().map(|(_, link)| link.role.as_deref()).collect();
    let primary: Vec<bool> = links.iter().map(|(_, link)| link.is_primary).collect();
    let created: Vec<OffsetDateTime> = links.iter().map(|(_, link)| link.created_at).collect();
    let query = sqlx::query(
        "INSERT INTO records.contact_company
             (tenant_id, contact_id, company_id, role, is_primary, created_at, created_by)
         SELECT $1, contact_id, company_id, role, is_primary, created_at, $2
         FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::boolean[], $7::timestamptz[])
             AS put (contact_id, company_id, role, is_primary, created_at)
         ON CONFLICT (tenant_id, contact_id, company_id)
         DO UPDATE SET role = EXCLUDED.role, is_primary = EXCLUDED.is_primary",
    );
    let query = query.bind(tx.tenant_id()).bind(actor).bind(contacts).bind(companies).bind(roles);
    query.bind(primary).bind(created).execute(tx.conn()).await?;
    Ok(())
}

/// Removes a tie.
pub(crate) async fn delete(tx: &mut TenantTx, contact: Uuid, company: Uuid) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM records.contact_company WHERE tenant_id = $1 AND contact_id = $2 AND company_id = $3",
    );
    query.bind(tx.tenant_id()).bind(contact).bind(company).execute(tx.conn()).await?;
    Ok(())
}

/// The contacts of the first `limit` ties to companies; one that is tied to several is there as often.
pub(crate) async fn tied(tx: &mut TenantTx, companies: &[Uuid], limit: i64) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT contact_id FROM records.contact_company
         WHERE tenant_id = $1 AND company_id = ANY($2) ORDER BY company_id, contact_id LIMIT $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(companies).bind(limit).fetch_all(tx.conn()).await?)
}

/// The ties between contacts and companies, with their contacts.
pub(crate) async fn between(
    tx: &mut TenantTx,
    companies: &[Uuid],
    contacts: &[Uuid],
) -> Result<Vec<(Uuid, Link)>, DbError> {
    type Tie = (Uuid, Uuid, Option<String>, bool, OffsetDateTime);
    let query = sqlx::query_as(
        "SELECT contact_id, company_id, role, is_primary, created_at FROM records.contact_company
         WHERE tenant_id = $1 AND contact_id = ANY($2) AND company_id = ANY($3)",
    );
    let query = query.bind(tx.tenant_id()).bind(contacts).bind(companies);
    let rows: Vec<Tie> = query.fetch_all(tx.conn()).await?;
    let read = |(contact, company, role, is_primary, created_at)| {
        (contact, link((company, role, is_primary, created_at)))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Removes the ties of contacts to a company.
pub(crate) async fn delete_of(tx: &mut TenantTx, company: Uuid, contacts: &[Uuid]) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM records.contact_company
         WHERE tenant_id = $1 AND company_id = $2 AND contact_id = ANY($3)",
    );
    query.bind(tx.tenant_id()).bind(company).bind(contacts).execute(tx.conn()).await?;
    Ok(())
}

/// A contact's ties to live companies within the scope, the primary one first.
pub(crate) async fn list(
    tx: &mut TenantTx,
    contact: Uuid,
    scope: &RowScope,
    limit: i64,
) -> Result<Vec<Link>, DbError> {
    let query = sqlx::query_as(
        "SELECT l.company_id, l.role, l.is_primary, l.created_at
         FROM records.contact_company AS l
         JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = l.company_id
         WHERE l.tenant_id = $1 AND l.contact_id = $2 AND t.deleted_at IS NULL
           AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5))
         ORDER BY l.is_primary DESC, l.created_at, l.company_id
         LIMIT $6",
    );
    let query =
        query.bind(tx.tenant_id()).bind(contact).bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    let rows: Vec<Row> = query.bind(limit).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(link).collect())
}
