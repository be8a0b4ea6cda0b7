-- phase: expand
-- Definitions of custom fields. A row is never deleted by a request: its key and its ordinal stay reserved.
CREATE TABLE fields.field_definition (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    object text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,59}$'),
    label text NOT NULL CHECK (label <> ''),
    type text COLLATE "C" NOT NULL CHECK (type IN (
        'text', 'long_text', 'integer', 'decimal', 'money', 'boolean', 'date', 'datetime', 'picklist', 'multi_picklist',
        'lookup', 'email', 'phone', 'url')),
    is_required boolean NOT NULL,
    is_unique boolean NOT NULL,
    -- [{"key": "gold", "label": "Gold", "retired": false}], in the order in which people see them.
    options jsonb NOT NULL CHECK (jsonb_typeof(options) = 'array'),
    -- The canonical value; NULL for none.
    default_value jsonb CHECK (default_value <> 'null'::jsonb),
    description text,
    state text COLLATE "C" NOT NULL CHECK (state IN ('active', 'deprecated', 'archived')),
    lookup_object text COLLATE "C" CHECK ((lookup_object IS NOT NULL) = (type = 'lookup')),
    -- NULL: not indexed.
    slot text COLLATE "C",
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT field_definition_key UNIQUE (tenant_id, object, key),
    CONSTRAINT field_definition_ordinal UNIQUE (tenant_id, object, ordinal),
    CONSTRAINT field_definition_object FOREIGN KEY (tenant_id, object)
        REFERENCES fields.object_version (tenant_id, object),
    CHECK (slot IS NULL OR CASE
        WHEN type IN ('integer', 'decimal', 'money', 'boolean') THEN slot ~ '^num_(0[1-9]|10)$'
        WHEN type IN ('text', 'picklist', 'email', 'phone', 'url') THEN slot ~ '^txt_(0[1-9]|10)$'
        WHEN type IN ('date', 'datetime') THEN slot ~ '^ts_0[1-6]$'
        WHEN type = 'lookup' THEN slot ~ '^ref_0[1-4]$'
        ELSE false
    END)
);
SELECT fields.protect('field_definition', 0);
REVOKE DELETE ON fields.field_definition FROM globcrm_fields_app;
