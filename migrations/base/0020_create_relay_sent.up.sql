-- phase: expand
-- Which numbers of the outbox the broker took (libs/events, relay/reconcile.rs): a row for each 1,024 numbers of a lane,
-- written in the transaction that saves the cursor. What is committed, passed by the cursor and not in here was lost.
CREATE TABLE {{schema}}.relay_sent (
    lane smallint NOT NULL CHECK (lane IN (0, 1)),
    bucket bigint NOT NULL,
    sent int8multirange NOT NULL,
    PRIMARY KEY (lane, bucket)
) WITH (fillfactor = 50);
REVOKE ALL ON {{schema}}.relay_sent FROM globcrm_{{schema}}_app;
REVOKE DELETE, TRUNCATE ON {{schema}}.relay_sent FROM globcrm_{{schema}}_worker;

-- What the cursor passed until now counts as sent.
INSERT INTO {{schema}}.relay_sent (lane, bucket, sent)
SELECT c.lane, b, int8multirange(int8range(GREATEST(b * 1024, 1), LEAST((b + 1) * 1024, c.high + 1)))
    - coalesce((SELECT range_agg(int8range(c.holes[i], c.holes[i + 1], '[]'))
                FROM generate_series(1, cardinality(c.holes), 3) AS i), '{}')
FROM {{schema}}.relay_cursor AS c CROSS JOIN LATERAL generate_series(0, c.high / 1024) AS b
WHERE c.high > 0;
