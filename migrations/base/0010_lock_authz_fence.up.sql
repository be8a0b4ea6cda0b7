-- phase: expand
-- The fence holds without a row: a writer shares a lock with the other writers of its principal, whoever raises the fence
-- takes it alone (libs/db, fence.rs). Both are functions, for under READ COMMITTED each statement in one sees what was
-- committed when its turn came, that is after the lock was taken.
CREATE FUNCTION {{schema}}.authz_fence_key(tenant uuid, principal uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended('authz_fence/{{schema}}/' || tenant::text || '/' || principal::text, 0);

CREATE FUNCTION {{schema}}.authz_fence_hold(tenant uuid, principals uuid[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({{schema}}.authz_fence_key(tenant, principal)) FROM unnest(principals) AS principal;
    RETURN (SELECT max(f.min_version) FROM {{schema}}.authz_fence AS f
            WHERE f.tenant_id = tenant AND f.principal_id = ANY (principals));
END $$;

-- Waits for writers a tenth of a second; SQLSTATE 55P03 while one goes on.
CREATE FUNCTION {{schema}}.authz_fence_raise(tenant uuid, principal uuid, version bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET lock_timeout = '100ms' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({{schema}}.authz_fence_key(tenant, principal));
    INSERT INTO {{schema}}.authz_fence AS f (tenant_id, principal_id, min_version) VALUES (tenant, principal, version)
    ON CONFLICT (tenant_id, principal_id) DO UPDATE SET min_version = GREATEST(f.min_version, EXCLUDED.min_version);
END $$;

REVOKE ALL ON FUNCTION {{schema}}.authz_fence_key(uuid, uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION {{schema}}.authz_fence_hold(uuid, uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION {{schema}}.authz_fence_raise(uuid, uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {{schema}}.authz_fence_key(uuid, uuid) TO globcrm_{{schema}}_app;
GRANT EXECUTE ON FUNCTION {{schema}}.authz_fence_hold(uuid, uuid[]) TO globcrm_{{schema}}_app;
GRANT EXECUTE ON FUNCTION {{schema}}.authz_fence_raise(uuid, uuid, bigint) TO globcrm_{{schema}}_app;
