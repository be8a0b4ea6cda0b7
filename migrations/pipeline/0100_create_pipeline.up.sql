-- phase: expand
-- Whoever changes pipelines of a tenant holds its row, so that there is one default at all times. The row is there once the tenant was given
-- its first pipeline, so that this happens once, also when all of them were archived since.
CREATE TABLE pipeline.pipeline_head (
    tenant_id uuid NOT NULL PRIMARY KEY,
    created_at timestamptz NOT NULL
);
SELECT pipeline.protect('pipeline_head', 0);
REVOKE DELETE ON pipeline.pipeline_head FROM globcrm_pipeline_app;

-- Pipelines. What is published of one is in its versions.
CREATE TABLE pipeline.pipeline (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    -- Lists are in its order.
    name_folded text COLLATE "C" NOT NULL,
    is_default boolean NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'archived')),
    -- The document that is being edited; NULL where it is the one published last.
    draft jsonb CHECK (jsonb_typeof(draft) = 'object'),
    -- The number of the version published last, which may not be in force yet.
    last_number integer NOT NULL CHECK (last_number > 0),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK (state = 'active' OR NOT is_default)
);
SELECT pipeline.protect('pipeline', 0);
REVOKE DELETE ON pipeline.pipeline FROM globcrm_pipeline_app;
CREATE UNIQUE INDEX pipeline_default ON pipeline.pipeline (tenant_id) WHERE is_default;

-- What was published. In force at a moment is the greatest number among those that are effective by then: a later publication takes the place of
-- one that has yet to come.
CREATE TABLE pipeline.pipeline_version (
    tenant_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    effective_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    published_by uuid NOT NULL,
    note text,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
    -- {"retired key": "key"}
    stage_mapping jsonb NOT NULL CHECK (jsonb_typeof(stage_mapping) = 'object'),
    PRIMARY KEY (tenant_id, pipeline_id, number),
    FOREIGN KEY (tenant_id, pipeline_id) REFERENCES pipeline.pipeline (tenant_id, id),
    CHECK (effective_at >= published_at)
);
SELECT pipeline.protect('pipeline_version', 0);
CREATE INDEX pipeline_version_effective_at ON pipeline.pipeline_version (tenant_id, pipeline_id, effective_at);
REVOKE UPDATE, DELETE ON pipeline.pipeline_version FROM globcrm_pipeline_app;

-- Stages are known by their keys in documents, and by these ids everywhere else. A key keeps its id for good.
CREATE TABLE pipeline.stage (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,39}$'),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT stage_key UNIQUE (tenant_id, pipeline_id, key),
    FOREIGN KEY (tenant_id, pipeline_id) REFERENCES pipeline.pipeline (tenant_id, id)
);
SELECT pipeline.protect('stage', 0);
REVOKE UPDATE, DELETE ON pipeline.stage FROM globcrm_pipeline_app;
