DROP FUNCTION {{schema}}.authz_fence_raise(uuid, uuid, bigint);
DROP FUNCTION {{schema}}.authz_fence_hold(uuid, uuid[]);
DROP FUNCTION {{schema}}.authz_fence_key(uuid, uuid);
