-- phase: expand
-- What records of every object have beside their row; `object` is the object's name in the singular.

-- Tags, for filters; `tag_folded` is the search key.
CREATE TABLE {{schema}}.record_tag (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    tag_folded text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, record_id, tag)
) PARTITION BY HASH (tenant_id);
SELECT {{schema}}.protect('record_tag', 8);
CREATE INDEX record_tag_tag ON {{schema}}.record_tag (tenant_id, tag, record_id);
CREATE INDEX record_tag_folded ON {{schema}}.record_tag (tenant_id, tag_folded, record_id);

-- The ids of records in other systems; one live record per system and id.
CREATE TABLE {{schema}}.external_id (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    record_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, record_id, system)
);
SELECT {{schema}}.protect('external_id', 0);
CREATE UNIQUE INDEX external_id_taken ON {{schema}}.external_id (tenant_id, object, system, external_id) WHERE live;

-- The values of unique custom fields, by the SHA-256 of their canonical JSON so that every value fits the index.
CREATE TABLE {{schema}}.custom_unique (
    tenant_id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    field_id uuid NOT NULL,
    value bytea NOT NULL,
    record_id uuid NOT NULL,
    live boolean NOT NULL,
    PRIMARY KEY (tenant_id, record_id, field_id)
) PARTITION BY HASH (tenant_id);
SELECT {{schema}}.protect('custom_unique', 8);
CREATE UNIQUE INDEX custom_unique_taken ON {{schema}}.custom_unique (tenant_id, object, field_id, value) WHERE live;
