-- phase: expand
-- Which objects have records in this schema, and the table of each. Only `record_table` enters one; the forget guard asks it.
CREATE TABLE {{schema}}.record_object (
    object text COLLATE "C" PRIMARY KEY,
    table_name text COLLATE "C" NOT NULL UNIQUE
);
REVOKE ALL ON {{schema}}.record_object FROM globcrm_{{schema}}_app, globcrm_{{schema}}_worker;
GRANT SELECT ON {{schema}}.record_object TO globcrm_{{schema}}_app;

-- Makes the table `name` the record table of an object: adds the slot columns, closes it by `protect` with its partitions,
-- adds the indexes of live rows, trash and slots, and enters it in record_object. The table brings its key (tenant_id, id)
-- and the columns that every record has. Migrations call it, as the schema's owner; `drop_record_table` is the way back.
CREATE FUNCTION {{schema}}.record_table(name text, partitions integer, object_name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    slots text[] := '{}';
    columns text[] := '{}';
    slot text;
    kind record;
BEGIN
    -- The indexed form of custom values; the fields service knows which field has which slot.
    FOR kind IN SELECT * FROM (VALUES
        ('num', 'float8', 10), ('txt', 'text COLLATE "C"', 10), ('ts', 'timestamptz', 6), ('ref', 'uuid', 4)
    ) AS v (prefix, type, number) LOOP
        FOR i IN 1 .. kind.number LOOP
            slot := kind.prefix || '_' || lpad(i::text, 2, '0');
            slots := slots || slot;
            columns := columns || format('ADD COLUMN %I %s', slot, kind.type);
        END LOOP;
    END LOOP;
    EXECUTE format('ALTER TABLE {{schema}}.%I %s', name, array_to_string(columns, ', '));
    PERFORM {{schema}}.protect(name, partitions);
    -- Lists show live rows; the trash has its own index.
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, id) WHERE deleted_at IS NULL', name || '_live', name);
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, created_at, id) WHERE deleted_at IS NULL',
                   name || '_created_at', name);
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, updated_at, id) WHERE deleted_at IS NULL',
                   name || '_updated_at', name);
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, owner_id, id) WHERE owner_id IS NOT NULL AND deleted_at IS NULL',
                   name || '_owner', name);
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, team_id, id) WHERE team_id IS NOT NULL AND deleted_at IS NULL',
                   name || '_team', name);
    EXECUTE format('CREATE INDEX %I ON {{schema}}.%I (tenant_id, id) WHERE deleted_at IS NOT NULL', name || '_trash', name);
    -- Slots are mostly empty: a partial index costs only the rows that use it (31k against 14k inserted rows/s).
    -- A keyset condition does not imply NOT NULL, so queries name it.
    FOREACH slot IN ARRAY slots LOOP
        EXECUTE format('CREATE INDEX %1$I ON {{schema}}.%2$I (tenant_id, %3$I, id) WHERE %3$I IS NOT NULL AND deleted_at IS NULL',
                       name || '_' || slot, name, slot);
    END LOOP;
    INSERT INTO {{schema}}.record_object (object, table_name) VALUES (object_name, name);
END $$;

-- The way back of `record_table`, together with the table.
CREATE FUNCTION {{schema}}.drop_record_table(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE {{schema}}.%I', name);
    DELETE FROM {{schema}}.record_object AS o WHERE o.table_name = name;
END $$;
REVOKE ALL ON FUNCTION {{schema}}.record_table(text, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION {{schema}}.drop_record_table(text) FROM PUBLIC;
