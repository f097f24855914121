-- What a target database has of Shardlake's own where the ledger lives in another: staging, the reading of arrays, units
-- that have no rows any more, and a mark for each window that was applied. A ledger's database has the first three already.
CREATE SCHEMA IF NOT EXISTS shardlake;
CREATE SCHEMA IF NOT EXISTS shardlake_staging;

CREATE OR REPLACE FUNCTION shardlake.text_array(value text) RETURNS text[] IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN ltrim(value) LIKE '[%' AND value !~ '^\s*(\[[+-]?\d+:[+-]?\d+\])+\s*='
        THEN ARRAY(SELECT e.item FROM jsonb_array_elements_text(value::jsonb) WITH ORDINALITY e(item, place) ORDER BY e.place)
        ELSE value::text[] END
$$;

CREATE TABLE IF NOT EXISTS shardlake.tombstones (
    view        text NOT NULL,
    sink        text NOT NULL DEFAULT 'warehouse',
    unit_key    jsonb NOT NULL,
    version     numeric NOT NULL,
    shard       text NOT NULL,
    PRIMARY KEY (view, sink, unit_key)
);

CREATE TABLE IF NOT EXISTS shardlake.applied_windows (
    ledger_id   uuid NOT NULL,
    view        text NOT NULL,
    window_id   bigint NOT NULL,
    counts      jsonb NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (ledger_id, view, window_id)
);
