//! The rules, each one query that gives what breaks it; `$1` is the list of schemas.

use anyhow::Result;
use sqlx::PgConnection;

use super::ALL as SERVICES;

/// A rule and its query.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    sql: &'static str,
    /// Findings that are meant so, each with its reason. `{s}` stands for any schema, `%` at the end for any rest.
    allowed: &'static [&'static str],
}

/// What breaks a rule, and exceptions that are none any more, one line each.
pub(super) async fn findings(conn: &mut PgConnection, rule: &Rule) -> Result<Vec<String>> {
    let schemas: Vec<&str> = SERVICES.iter().map(|migrations| migrations.schema).collect();
    let found: Vec<String> = sqlx::query_scalar(rule.sql).bind(&schemas).fetch_all(conn).await?;
    let stale = rule.allowed.iter().filter(|allowed| {
        let schema = allowed.split_once('.').map_or("", |(schema, _)| schema);
        (schema == "{s}" || schemas.contains(&schema))
            && !found.iter().any(|finding| matches(allowed, finding))
    });
    let stale: Vec<String> =
        stale.map(|allowed| format!("{allowed}: an exception without a finding")).collect();
    let is_allowed = |finding: &String| rule.allowed.iter().any(|allowed| matches(allowed, finding));
    Ok(found.into_iter().filter(|finding| !is_allowed(finding)).chain(stale).collect())
}

fn matches(allowed: &str, finding: &str) -> bool {
    let (allowed, finding) = match (allowed.strip_prefix("{s}."), finding.split_once('.')) {
        (Some(rest), Some((_, found))) => (rest, found),
        _ => (allowed, finding),
    };
    match allowed.strip_suffix('%') {
        Some(prefix) => finding.starts_with(prefix),
        None => finding == allowed,
    }
}

pub(super) const ALL: [&Rule; 16] = [
    &ROW_LEVEL_SECURITY,
    &POLICIES,
    &PARTITIONS,
    &TENANTLESS,
    &INDEXES,
    &FOREIGN_KEYS,
    &FOREIGN_KEY_INDEXES,
    &LEAKPROOF,
    &ROLES,
    &MEMBERSHIPS,
    &OWNERSHIP,
    &SCHEMA_PRIVILEGES,
    &TABLE_PRIVILEGES,
    &VIEWS,
    &FUNCTIONS,
    &EXECUTABLE,
];

pub(super) const ROW_LEVEL_SECURITY: Rule = Rule {
    name: "tenant tables have row-level security, enabled and forced",
    sql: "SELECT n.nspname || '.' || c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
          WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND a.attnotnull)
          ORDER BY 1",
    allowed: &[],
};

/// For the app role, exactly the one policy by tenant, for every command; for another role only what is listed.
pub(super) const POLICIES: Rule = Rule {
    name: "tenant tables have the policy by tenant and no other",
    sql: "WITH tenant_table AS (
              SELECT c.oid, n.nspname, c.relname, 'globcrm_' || n.nspname || '_app' AS app
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
              WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          ), policy AS (
              SELECT t.nspname, t.relname, p.polname, p.polcmd,
                     p.polroles = ARRAY[(SELECT oid FROM pg_roles WHERE rolname = t.app)] AS is_for_app,
                     p.polpermissive AND p.polcmd = '*'
                         AND pg_get_expr(p.polqual, p.polrelid) = e.expression
                         AND pg_get_expr(p.polwithcheck, p.polrelid) = e.expression AS is_by_tenant
              FROM tenant_table t JOIN pg_policy p ON p.polrelid = t.oid,
                   (VALUES ('(tenant_id = (( SELECT current_setting(''app.tenant''::text) AS current_setting))::uuid)'))
                       AS e(expression)
          )
          SELECT nspname || '.' || relname || ' has no policy by tenant for the app role'
          FROM tenant_table t WHERE NOT EXISTS (
              SELECT FROM policy p WHERE (p.nspname, p.relname) = (t.nspname, t.relname) AND p.is_for_app AND p.is_by_tenant)
          UNION ALL
          SELECT nspname || '.' || relname || ' policy ' || polname || ' for ' || polcmd::text
          FROM policy WHERE NOT coalesce(is_for_app AND is_by_tenant, false)
          ORDER BY 1",
    allowed: &[
        // The relay and the consumers read across tenants, then open the tenant of each row.
        "{s}.outbox policy worker for r",
        "{s}.inbox_retry policy worker for r",
        "{s}.dead_event policy worker_read for r",
        "{s}.dead_event policy worker_write for a",
        // What is older than its retention, and nothing younger.
        "{s}.dead_event policy retention for d",
        "{s}.inbox_retry policy retention for d",
        "{s}.idempotency policy retention for d",
        "{s}.idempotency policy retention_read for r",
        "{s}.peer_record policy retention for d",
        // The one table that is asked before a tenant is known: slug to tenant, at sign-up and login.
        "identity.directory has no policy by tenant for the app role",
        "identity.directory policy entry for a",
        "identity.directory policy lookup for r",
        // Jobs: the worker claims a row, then opens its tenant.
        "{s}.operation policy worker_sees for r",
        "{s}.operation policy worker_claims for w",
        "{s}.purge_due policy worker_sees for r",
        "{s}.peer_record policy worker for r",
        "pipeline.stage_mapping policy worker for r",
        "activities.reminder_due policy worker for r",
        "{s}.operation_turn policy worker for *",
        "{s}.derived_check policy worker_sees for r",
        "{s}.derived_check policy worker_claims for w",
        // Which uploads are how old; the worker may read no other column.
        "records.upload policy worker_sees for r",
    ],
};

pub(super) const PARTITIONS: Rule = Rule {
    name: "no role of a service reaches a partition past its table's policies",
    sql: "SELECT DISTINCT n.nspname || '.' || c.relname || ' is open to ' || r.rolname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_roles r ON r.rolname ~ '^globcrm_[a-z]+_(app|worker)$'
          WHERE n.nspname = ANY($1) AND c.relispartition AND c.relkind IN ('r', 'p')
              AND (has_table_privilege(r.oid, c.oid, 'SELECT') OR has_table_privilege(r.oid, c.oid, 'INSERT')
                   OR has_table_privilege(r.oid, c.oid, 'UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE'))
          ORDER BY 1",
    allowed: &[],
};

pub(super) const TENANTLESS: Rule = Rule {
    name: "tables without a tenant are listed",
    sql: "SELECT n.nspname || '.' || c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'm', 'f')
              AND NOT EXISTS (SELECT FROM pg_attribute a
                              WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
          ORDER BY 1",
    allowed: &[
        // The migrator's own.
        "{s}.schema_migration",
        // One row per lane and schema: whose turn, and how far.
        "{s}.relay_lease",
        "{s}.relay_cursor",
        // Numbers across tenants, like the lane's.
        "{s}.relay_sent",
        // Which objects have a record table; no role that logs in writes it.
        "{s}.record_object",
    ],
};

pub(super) const INDEXES: Rule = Rule {
    name: "indexes of tenant tables start with the tenant",
    sql: "SELECT n.nspname || '.' || c.relname || ' index ' || x.relname
          FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
          WHERE n.nspname = ANY($1) AND NOT c.relispartition AND i.indkey[0] <> a.attnum
          ORDER BY 1",
    allowed: &[
        // Numbers of a lane are drawn across tenants; the relay reads them in order.
        "{s}.outbox index outbox_pkey",
        "{s}.outbox index outbox_recorded",
        // Event ids are unique across tenants, and partitions are by event id.
        "{s}.inbox index inbox_pkey",
        // The worker asks what is due, whoever's it is.
        "{s}.inbox_retry index inbox_retry_due",
        "{s}.inbox_retry index inbox_retry_turn",
        // The worker counts the dead events of each consumer, for metrics.
        "{s}.dead_event index dead_event_consumer",
        // The slug names the tenant.
        "identity.directory index directory_pkey",
        // The worker looks for work across tenants.
        "{s}.operation index operation_open",
        "{s}.operation index operation_over",
        "records.upload index upload_created_at",
        "{s}.peer_record index peer_record_age",
        "{s}.derived_check index derived_check_due",
        "pipeline.stage_mapping index stage_mapping_due_at",
        "activities.reminder_due index reminder_due_due_at",
    ],
};

pub(super) const FOREIGN_KEYS: Rule = Rule {
    name: "foreign keys of tenant tables start with the tenant on both sides",
    sql: "SELECT n.nspname || '.' || c.relname || ' constraint ' || k.conname
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
          LEFT JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attname = 'tenant_id' AND NOT f.attisdropped
          WHERE n.nspname = ANY($1) AND k.contype = 'f' AND k.conparentid = 0
              AND NOT (k.conkey[1] = a.attnum AND coalesce(k.confkey[1] = f.attnum, false))
          ORDER BY 1",
    allowed: &[],
};

/// What is changed or removed on the other side looks for the rows that name it. An index of those rows alone that have a value serves
/// it; one of only some of them does not.
pub(super) const FOREIGN_KEY_INDEXES: Rule = Rule {
    name: "an index of the referencing table begins with the columns of each foreign key",
    sql: "SELECT n.nspname || '.' || c.relname || ' constraint ' || k.conname
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = ANY($1) AND k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indnkeyatts >= cardinality(k.conkey)
                  AND (SELECT array_agg(at ORDER BY at) FROM unnest(k.conkey) AS at)
                      = (SELECT array_agg(at ORDER BY at)
                         FROM unnest((i.indkey::int2[])[0:cardinality(k.conkey) - 1]) AS at)
                  AND (i.indpred IS NULL OR EXISTS (
                      SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
                          AND pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))))
          ORDER BY 1",
    allowed: &[],
};

/// Under row-level security an operator that is not leakproof cannot use the index (numeric, enum, arrays, jsonb, LIKE).
pub(super) const LEAKPROOF: Rule = Rule {
    name: "indexed columns of tenant tables have leakproof operators",
    sql: "WITH index_column AS (
              SELECT n.nspname, c.relname, x.oid, x.relname AS index_name, m.amname, s.opcfamily, s.opcintype, k.at
              FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
              JOIN pg_am m ON m.oid = x.relam JOIN pg_namespace n ON n.oid = c.relnamespace
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
              CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k(at)
              JOIN pg_opclass s ON s.oid = i.indclass[k.at]
              WHERE n.nspname = ANY($1) AND NOT c.relispartition
          )
          SELECT DISTINCT nspname || '.' || relname || ' index ' || index_name || ' (' || amname || ') column '
              || pg_get_indexdef(i.oid, i.at + 1, true) || ' of type ' || format_type(opcintype, NULL)
          FROM index_column i
          WHERE amname <> 'btree' OR EXISTS (
              SELECT FROM pg_amop o JOIN pg_operator p ON p.oid = o.amopopr JOIN pg_proc f ON f.oid = p.oprcode
              WHERE o.amopfamily = i.opcfamily AND o.amoplefttype = i.opcintype AND o.amoprighttype = i.opcintype
                  AND NOT f.proleakproof)
          ORDER BY 1",
    allowed: &[
        // Read by the worker only, which sees every row of the outbox.
        "{s}.outbox index outbox_recorded (brin)%",
    ],
};

pub(super) const ROLES: Rule = Rule {
    name: "roles of services have no powers, and the owner does not log in",
    sql: "SELECT rolname::text FROM pg_roles
          WHERE rolname = ANY(SELECT 'globcrm_' || s || '_' || k
                              FROM unnest($1::text[]) AS s, unnest(ARRAY['owner', 'app', 'worker']) AS k)
              AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
                   OR (rolname LIKE '%\\_owner' AND rolcanlogin))
          ORDER BY 1",
    allowed: &[],
};

pub(super) const MEMBERSHIPS: Rule = Rule {
    name: "no role that logs in is a member of another role",
    sql: "SELECT member.rolname || ' is a member of ' || role.rolname
          FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member JOIN pg_roles role ON role.oid = m.roleid
          WHERE member.rolname = ANY(SELECT 'globcrm_' || s || '_' || k
                                     FROM unnest($1::text[]) AS s, unnest(ARRAY['app', 'worker']) AS k)
          ORDER BY 1",
    allowed: &[],
};

pub(super) const OWNERSHIP: Rule = Rule {
    name: "everything in a schema belongs to the schema's owner role",
    sql: "SELECT n.nspname || '.' || c.relname || ' belongs to ' || pg_get_userbyid(c.relowner)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = ANY($1) AND pg_get_userbyid(c.relowner) <> 'globcrm_' || n.nspname || '_owner'
          UNION ALL
          SELECT n.nspname || '.' || p.proname || ' belongs to ' || pg_get_userbyid(p.proowner)
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = ANY($1) AND pg_get_userbyid(p.proowner) <> 'globcrm_' || n.nspname || '_owner'
          ORDER BY 1",
    allowed: &[],
};

pub(super) const SCHEMA_PRIVILEGES: Rule = Rule {
    name: "roles that log in create nothing and see no schema but their own",
    sql: "SELECT r.rolname || CASE WHEN has_schema_privilege(r.oid, n.oid, 'CREATE') THEN ' creates in ' ELSE ' sees ' END
              || n.nspname
          FROM unnest($1::text[]) AS s, unnest(ARRAY['app', 'worker']) AS k, pg_roles r, pg_namespace n
          WHERE r.rolname = 'globcrm_' || s || '_' || k
              AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
              AND (has_schema_privilege(r.oid, n.oid, 'CREATE')
                   OR (n.nspname <> s AND has_schema_privilege(r.oid, n.oid, 'USAGE')))
          UNION ALL
          SELECT r.rolname || ' creates schemas'
          FROM unnest($1::text[]) AS s, unnest(ARRAY['app', 'worker']) AS k, pg_roles r
          WHERE r.rolname = 'globcrm_' || s || '_' || k AND has_database_privilege(r.oid, current_database(), 'CREATE')
          ORDER BY 1",
    allowed: &[],
};

pub(super) const TABLE_PRIVILEGES: Rule = Rule {
    name: "roles that log in do not truncate, refer to or put triggers on tables",
    sql: "SELECT r.rolname || ' has ' || p || ' on ' || n.nspname || '.' || c.relname
          FROM unnest($1::text[]) AS s, unnest(ARRAY['app', 'worker']) AS k,
               unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p,
               pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE r.rolname = 'globcrm_' || s || '_' || k AND n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
              AND pg_get_userbyid(c.relowner) <> r.rolname AND has_table_privilege(r.oid, c.oid, p)
          ORDER BY 1",
    allowed: &[],
};

pub(super) const VIEWS: Rule = Rule {
    name: "views see what their caller sees",
    sql: "SELECT n.nspname || '.' || c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = ANY($1) AND c.relkind IN ('v', 'm')
              AND NOT coalesce('security_invoker=true' = ANY(c.reloptions), false)
          ORDER BY 1",
    allowed: &[],
};

/// A function with its owner's rights pins its search path, is not open to everyone, and is listed.
pub(super) const FUNCTIONS: Rule = Rule {
    name: "functions with their owner's rights are listed and safe",
    sql: "SELECT n.nspname || '.' || p.proname
              || CASE WHEN EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c LIKE 'search_path=pg_catalog%')
                      THEN '' ELSE ' without search_path' END
              || CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN ' open to everyone' ELSE '' END
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = ANY($1) AND p.prosecdef
          ORDER BY 1",
    allowed: &[
        // Partitions come and go without giving a service the right to make tables.
        "{s}.outbox_maintain",
        "{s}.inbox_maintain",
        "notifications.journal_maintain",
        // ANALYZE needs the owner; for the worker alone, after a large import.
        "pipeline.analyze_deals",
        "records.analyze_companies",
        "records.analyze_contacts",
    ],
};

/// The functions of migrations make tables and policies; they are the owner's alone.
pub(super) const EXECUTABLE: Rule = Rule {
    name: "roles that log in run the functions made for them and no other",
    sql: "SELECT n.nspname || '.' || p.proname || ' by ' || k
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, unnest(ARRAY['app', 'worker']) AS k, pg_roles r
          WHERE n.nspname = ANY($1) AND r.rolname = 'globcrm_' || n.nspname || '_' || k
              AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
          ORDER BY 1",
    allowed: &[
        "{s}.outbox_next by app",
        "{s}.authz_fence_key by app",
        "{s}.authz_fence_hold by app",
        "{s}.authz_fence_raise by app",
        "{s}.outbox_maintain by worker",
        "{s}.inbox_maintain by worker",
        "notifications.journal_maintain by worker",
        "pipeline.fold_deal_totals by app",
        "pipeline.analyze_deals by worker",
        "records.analyze_companies by worker",
        "records.analyze_contacts by worker",
    ],
};

#[test]
fn an_exception_holds_for_its_own_finding_only() {
    assert!(matches("{s}.outbox", "fields.outbox") && matches("{s}.outbox%", "fields.outbox index x"));
    assert!(
        !matches("{s}.outbox", "fields.outbox index x") && !matches("{s}.outbox", "fields.outbox_default")
    );
    assert!(
        matches("identity.directory", "identity.directory")
            && !matches("identity.directory", "fields.directory")
    );
}
