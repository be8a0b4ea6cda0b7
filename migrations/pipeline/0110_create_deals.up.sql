-- phase: expand
-- Deals. What their guard sets (services/pipeline/src/deals/stages.rs) is in columns of its own.
CREATE TABLE pipeline.deals (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    owner_id uuid,
    team_id uuid,
    source text COLLATE "C" NOT NULL CHECK (source IN ('api', 'import')),
    external_ids jsonb NOT NULL,
    tags text[] NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_folded text COLLATE "C" NOT NULL,
    pipeline_id uuid NOT NULL,
    stage_id uuid NOT NULL,
    stage_key text COLLATE "C" NOT NULL,
    pipeline_version integer NOT NULL CHECK (pipeline_version > 0),
    status text COLLATE "C" NOT NULL CHECK (status IN ('open', 'won', 'lost')),
    stage_entered_at timestamptz NOT NULL,
    closed_at timestamptz,
    -- The place among the cards of the stage: see services/pipeline/src/deals/rank.rs.
    rank text COLLATE "C" NOT NULL CHECK (rank ~ '^[0-9a-v]{1,200}$'),
    -- The amount as it is answered; minor units and currency again in the columns that filters use.
    amount jsonb,
    amount_minor bigint CHECK (amount_minor >= 0),
    amount_currency text COLLATE "C",
    probability integer NOT NULL CHECK (probability BETWEEN 0 AND 100),
    probability_source text COLLATE "C" NOT NULL CHECK (probability_source IN ('stage', 'manual')),
    weighted_amount jsonb,
    weighted_amount_minor bigint,
    weighted_amount_currency text COLLATE "C",
    expected_close_date date,
    lost_reason text COLLATE "C",
    company_id uuid,
    -- The contacts in their order; deal_contact finds deals by them.
    contacts jsonb NOT NULL,
    next_step text COLLATE "C",
    -- Canonical values by the fields' immutable keys.
    custom jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    CHECK ((closed_at IS NULL) = (status = 'open'))
) PARTITION BY HASH (tenant_id);
SELECT pipeline.record_table('deals', 8, 'deal');
ALTER TABLE pipeline.deals ADD FOREIGN KEY (tenant_id, pipeline_id) REFERENCES pipeline.pipeline (tenant_id, id);
ALTER TABLE pipeline.deals ADD FOREIGN KEY (tenant_id, stage_id) REFERENCES pipeline.stage (tenant_id, id);
CREATE INDEX deals_name ON pipeline.deals (tenant_id, name_folded, id) WHERE deleted_at IS NULL;
CREATE INDEX deals_pipeline ON pipeline.deals (tenant_id, pipeline_id, id);
-- Live or not: a publication moves both out of a stage that it retires.
CREATE INDEX deals_stage ON pipeline.deals (tenant_id, stage_id, id);
-- The columns of a board: their cards in order, and all that their totals need.
CREATE INDEX deals_board ON pipeline.deals (tenant_id, pipeline_id, stage_id, rank, id)
    INCLUDE (amount_minor, amount_currency, owner_id, team_id) WHERE deleted_at IS NULL;
CREATE INDEX deals_status ON pipeline.deals (tenant_id, status, id) WHERE deleted_at IS NULL;
-- Open deals are counted before a pipeline is archived, or a stage retired.
CREATE INDEX deals_open ON pipeline.deals (tenant_id, pipeline_id, stage_id) WHERE status = 'open' AND deleted_at IS NULL;
CREATE INDEX deals_expected_close_date ON pipeline.deals (tenant_id, expected_close_date, id)
    WHERE expected_close_date IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX deals_closed_at ON pipeline.deals (tenant_id, closed_at, id) WHERE closed_at IS NOT NULL AND deleted_at IS NULL;
-- Live or not: a company that goes is taken out of both.
CREATE INDEX deals_company ON pipeline.deals (tenant_id, company_id, id) WHERE company_id IS NOT NULL;
CREATE INDEX deals_deleted_at ON pipeline.deals (tenant_id, deleted_at, id) WHERE deleted_at IS NOT NULL;

-- Contacts of another service, so no foreign key: see libs/record, peer_records.rs.
CREATE TABLE pipeline.deal_contact (
    tenant_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, deal_id, contact_id),
    FOREIGN KEY (tenant_id, deal_id) REFERENCES pipeline.deals ON DELETE CASCADE
);
SELECT pipeline.protect('deal_contact', 0);
CREATE INDEX deal_contact_contact ON pipeline.deal_contact (tenant_id, contact_id, deal_id);

-- Where deals have been. Rows outlive their deal, as reports of the past count it, so no foreign key.
CREATE TABLE pipeline.stage_entry (
    tenant_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    pipeline_id uuid NOT NULL,
    pipeline_version integer NOT NULL CHECK (pipeline_version > 0),
    stage_id uuid NOT NULL,
    entered_at timestamptz NOT NULL,
    left_at timestamptz CHECK (left_at >= entered_at),
    actor_kind text COLLATE "C" NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'service')),
    actor_id uuid NOT NULL,
    reason text,
    source text COLLATE "C" NOT NULL
        CHECK (source IN ('create', 'move', 'update', 'bulk', 'import', 'publish', 'change_pipeline')),
    PRIMARY KEY (tenant_id, deal_id, sequence)
);
SELECT pipeline.protect('stage_entry', 0);
REVOKE DELETE ON pipeline.stage_entry FROM globcrm_pipeline_app;

-- Publications whose stage_mapping has deals to move, from due_at on.
CREATE TABLE pipeline.stage_mapping (
    tenant_id uuid NOT NULL,
    pipeline_id uuid NOT NULL,
    number integer NOT NULL,
    due_at timestamptz NOT NULL,
    is_last boolean NOT NULL,
    actor_kind text COLLATE "C" NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'service')),
    PRIMARY KEY (tenant_id, pipeline_id, number),
    FOREIGN KEY (tenant_id, pipeline_id, number) REFERENCES pipeline.pipeline_version
);
SELECT pipeline.protect('stage_mapping', 0);
CREATE POLICY worker ON pipeline.stage_mapping FOR SELECT TO globcrm_pipeline_worker USING (true);
GRANT SELECT ON pipeline.stage_mapping TO globcrm_pipeline_worker;
CREATE INDEX stage_mapping_due_at ON pipeline.stage_mapping (due_at);

-- How many live deals of whom are in which stage, and what they amount to: the sums of these rows. A write adds rows and waits for nobody; one in
-- a hundred folds the rows of its pipelines into one for each group. A board of 100,000 deals would read all of them otherwise.
CREATE TABLE pipeline.deal_total (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    pipeline_id uuid NOT NULL,
    stage_id uuid NOT NULL,
    owner_id uuid,
    team_id uuid,
    currency text COLLATE "C",
    deals bigint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT pipeline.protect('deal_total', 0);
CREATE INDEX deal_total_pipeline ON pipeline.deal_total (tenant_id, pipeline_id);

CREATE FUNCTION pipeline.fold_deal_totals(tenant uuid, pipelines uuid[]) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    WITH held AS (
        -- What others fold at this moment is theirs.
        SELECT id FROM pipeline.deal_total WHERE tenant_id = tenant AND pipeline_id = ANY(pipelines) FOR UPDATE SKIP LOCKED),
    folded AS (
        DELETE FROM pipeline.deal_total AS t USING held WHERE t.tenant_id = tenant AND t.id = held.id
        RETURNING t.pipeline_id, t.stage_id, t.owner_id, t.team_id, t.currency, t.deals, t.amount)
    INSERT INTO pipeline.deal_total (tenant_id, pipeline_id, stage_id, owner_id, team_id, currency, deals, amount)
    SELECT tenant, pipeline_id, stage_id, owner_id, team_id, currency, sum(deals), sum(amount) FROM folded
    GROUP BY pipeline_id, stage_id, owner_id, team_id, currency
    HAVING sum(deals) <> 0 OR sum(amount) <> 0
$$;
REVOKE ALL ON FUNCTION pipeline.fold_deal_totals(uuid, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.fold_deal_totals(uuid, uuid[]) TO globcrm_pipeline_app;

-- Each with the rows that it has: a trigger sees no others.
CREATE FUNCTION pipeline.count_new_deals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pipeline.deal_total (tenant_id, pipeline_id, stage_id, owner_id, team_id, currency, deals, amount)
    SELECT tenant_id, pipeline_id, stage_id, owner_id, team_id, amount_currency, count(*), coalesce(sum(amount_minor), 0)
    FROM after WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6;
    IF random() < 0.01 THEN
        PERFORM pipeline.fold_deal_totals(tenant_id, array_agg(DISTINCT pipeline_id)) FROM after GROUP BY tenant_id;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION pipeline.count_changed_deals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pipeline.deal_total (tenant_id, pipeline_id, stage_id, owner_id, team_id, currency, deals, amount)
    SELECT tenant_id, pipeline_id, stage_id, owner_id, team_id, amount_currency, sum(n), coalesce(sum(n * amount_minor), 0)
    FROM (SELECT 1 AS n, a.* FROM after AS a WHERE deleted_at IS NULL
          UNION ALL SELECT -1, b.* FROM before AS b WHERE deleted_at IS NULL) AS changed
    GROUP BY 1, 2, 3, 4, 5, 6
    HAVING sum(n) <> 0 OR coalesce(sum(n * amount_minor), 0) <> 0;
    IF FOUND AND random() < 0.01 THEN
        PERFORM pipeline.fold_deal_totals(tenant_id, array_agg(DISTINCT pipeline_id)) FROM after GROUP BY tenant_id;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION pipeline.count_purged_deals() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO pipeline.deal_total (tenant_id, pipeline_id, stage_id, owner_id, team_id, currency, deals, amount)
    SELECT tenant_id, pipeline_id, stage_id, owner_id, team_id, amount_currency, -count(*), coalesce(-sum(amount_minor), 0)
    FROM before WHERE deleted_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION pipeline.count_new_deals(), pipeline.count_changed_deals(), pipeline.count_purged_deals() FROM PUBLIC;
CREATE TRIGGER count_new AFTER INSERT ON pipeline.deals
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION pipeline.count_new_deals();
CREATE TRIGGER count_changed AFTER UPDATE ON pipeline.deals
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION pipeline.count_changed_deals();
CREATE TRIGGER count_purged AFTER DELETE ON pipeline.deals
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION pipeline.count_purged_deals();
