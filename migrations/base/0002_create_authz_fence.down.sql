DROP TABLE {{schema}}.authz_fence;
