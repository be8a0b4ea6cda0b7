//! SQL of the side tables of domains and phone numbers.

/// Puts the domains of companies.
pub(crate) const PUT_DOMAINS: &str =
    "INSERT INTO records.company_domain (tenant_id, company_id, domain, live)
     SELECT $1, company_id, domain, $6 FROM unnest($2::uuid[], $3::text[]) AS put (company_id, domain)";

/// Removes the domains of companies.
pub(crate) const CLEAR_DOMAINS: &str =
    "DELETE FROM records.company_domain WHERE tenant_id = $1 AND company_id = ANY($2)";

/// Marks the domains of a company as those of a live or deleted one.
pub(crate) const SET_DOMAINS_LIVE: &str =
    "UPDATE records.company_domain SET live = $3 WHERE tenant_id = $1 AND company_id = $2";

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
