//! SQL of the side tables of domains and phone numbers, and of companies that are named.

use db::{DbError, TenantTx};
use query::RowScope;
use uuid::Uuid;

/// Puts the domains of companies.
pub(crate) const PUT_DOMAINS: &str =
    "INSERT INTO records.company_domain (tenant_id, company_id, domain, live)
     SELECT $1, company_id, domain, $6 FROM unnest($2::uuid[], $3::text[]) AS put (company_id, domain)";

/// Removes the domains of companies.
pub(crate) const CLEAR_DOMAINS: &str =
    "DELETE FROM records.company_domain WHERE tenant_id = $1 AND company_id = ANY($2)";

/// Marks the domains of a company as those of a live or deleted one.
pub(crate) const SET_DOMAINS_LIVE: &str =
    "UPDATE records.company_domain SET live = $3 WHERE tenant_id = $1 AND company_id = ANY($2)";

/// The live companies that have one of the domains.
pub(crate) const DOMAIN_HOLDERS: &str = "SELECT DISTINCT d.company_id FROM records.company_domain AS d
     WHERE d.tenant_id = $1 AND d.company_id <> ALL($2) AND d.domain = ANY($3) AND d.live
     LIMIT 20";

/// The domains of companies, as pairs.
pub(crate) const HELD_DOMAINS: &str = "SELECT company_id, domain, '', live FROM records.company_domain
     WHERE tenant_id = $1 AND company_id = ANY($2)";

/// Puts the phone numbers of companies.
pub(crate) const PUT_PHONES: &str = "INSERT INTO records.company_phone (tenant_id, company_id, number)
     SELECT $1, company_id, number FROM unnest($2::uuid[], $3::text[]) AS put (company_id, number)";

/// Removes the phone numbers of companies.
pub(crate) const CLEAR_PHONES: &str =
    "DELETE FROM records.company_phone WHERE tenant_id = $1 AND company_id = ANY($2)";

/// The phone numbers of companies, as pairs.
pub(crate) const HELD_PHONES: &str = "SELECT company_id, number, '', true FROM records.company_phone
     WHERE tenant_id = $1 AND company_id = ANY($2)";

/// Per domain of a file, the live company that has it: see the addresses of contacts.
pub(crate) const IMPORTED_DOMAINS: &str = "SELECT d.domain, '', d.company_id,
         ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6)
          OR (t.created_by = $7 AND t.created_at >= $8 AND t.source = 'import')) IS TRUE
     FROM records.company_domain AS d
     JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = d.company_id
     WHERE d.tenant_id = $1 AND d.live AND d.domain = ANY($2) AND $3::text[] IS NOT NULL";

/// Per id of a file in another system, the live company that has it.
pub(crate) const IMPORTED_EXTERNAL_IDS: &str = "SELECT e.system, e.external_id, e.record_id,
         ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6)
          OR (t.created_by = $7 AND t.created_at >= $8 AND t.source = 'import')) IS TRUE
     FROM unnest($2::text[], $3::text[]) AS wanted (system, id)
     JOIN records.external_id AS e ON e.tenant_id = $1 AND e.object = 'company'
         AND e.system = wanted.system AND e.external_id = wanted.id
     JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = e.record_id
     WHERE e.live";

/// `$2` search keys of names, `$3` domains, `$4` to `$6` the scope: the first 20 live companies of each name, and the one of each
/// domain, of those within the scope, with what was asked for.
const NAMED: &str = "SELECT wanted.key, c.id, c.name
     FROM unnest($2::text[]) AS wanted (key)
     CROSS JOIN LATERAL (
         SELECT t.id, t.name FROM records.companies AS t
         WHERE t.tenant_id = $1 AND t.name_folded = wanted.key AND t.deleted_at IS NULL
           AND ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6))
         ORDER BY t.id LIMIT 20) AS c
     UNION ALL
     SELECT d.domain, d.company_id, NULL
     FROM records.company_domain AS d
     JOIN records.companies AS t ON t.tenant_id = $1 AND t.id = d.company_id
     WHERE d.tenant_id = $1 AND d.live AND d.domain = ANY($3)
       AND ($4 OR t.owner_id = ANY($5) OR t.team_id = ANY($6))";

/// The live companies within the scope that have these names, by their search keys, or domains: what was asked for, the id, and
/// the name where that was asked for.
pub(crate) async fn named(
    tx: &mut TenantTx,
    names: &[String],
    domains: &[&str],
    scope: &RowScope,
) -> Result<Vec<(String, Uuid, Option<String>)>, DbError> {
    let query = sqlx::query_as(NAMED).bind(tx.tenant_id()).bind(names).bind(domains);
    let query = query.bind(scope.all).bind(&scope.owners).bind(&scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}
