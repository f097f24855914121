-- The ledger: what has arrived, from where, up to when, and what is missing.
CREATE TABLE shardlake.runs (
    run_id      uuid PRIMARY KEY,
    view        text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed')),
    message     text
);
CREATE INDEX ON shardlake.runs (view, started_at DESC);

-- What a run did on one shard; a run that was killed leaves 'running' behind.
CREATE TABLE shardlake.run_shards (
    run_id      uuid NOT NULL REFERENCES shardlake.runs ON DELETE CASCADE,
    view        text NOT NULL,
    shard       text NOT NULL,
    state       text NOT NULL CHECK (state IN ('merged', 'nothing', 'failed')),
    report      jsonb NOT NULL,
    error       text,
    ended_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, shard)
);
CREATE INDEX ON shardlake.run_shards (view, shard, ended_at DESC);

-- How far a shard has been committed. `after_position` is set while a scan that was closed early goes on.
CREATE TABLE shardlake.watermarks (
    view            text NOT NULL,
    shard           text NOT NULL,
    kind            text NOT NULL,
    cursor_value    text,
    upper_bound     text,
    scan_order      text NOT NULL,
    after_position  jsonb,
    lower_bound     text,
    moved_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (view, shard),
    CHECK ((cursor_value IS NULL) <> (after_position IS NULL))
);

CREATE TABLE shardlake.windows (
    window_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          uuid NOT NULL,
    view            text NOT NULL,
    shard           text NOT NULL,
    status          text NOT NULL CHECK (status IN ('open', 'extracted', 'merged', 'abandoned')),
    kind            text,
    lower_bound     text,
    upper_bound     text,
    scan_order      text NOT NULL,
    after_position  jsonb,
    until_position  jsonb,
    load_date       date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    merged_at       timestamptz,
    raw_rows        bigint,
    raw_bytes       bigint,
    shaped          bigint,
    shape_rejected  bigint,
    view_rows       bigint,
    merged          bigint,
    unchanged       bigint,
    superseded      bigint,
    rejected        bigint,
    removed         bigint,
    seconds         jsonb NOT NULL DEFAULT '{}',
    CHECK (status <> 'merged' OR raw_rows = shaped + shape_rejected),
    CHECK (status <> 'merged' OR view_rows = merged + unchanged + superseded + rejected)
);
-- a shard has at most one unfinished window a view, and it is finished before a new one opens
CREATE UNIQUE INDEX ON shardlake.windows (view, shard) WHERE status IN ('open', 'extracted');
CREATE INDEX ON shardlake.windows (view, shard, window_id);

CREATE TABLE shardlake.files (
    window_id   bigint NOT NULL REFERENCES shardlake.windows ON DELETE CASCADE,
    key         text NOT NULL,
    rows        bigint NOT NULL,
    bytes       bigint NOT NULL,
    PRIMARY KEY (window_id, key)
);

CREATE TABLE shardlake.rejects (
    reject_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    window_id   bigint NOT NULL,
    view        text NOT NULL,
    shard       text NOT NULL,
    stage       text NOT NULL CHECK (stage IN ('shape', 'merge')),
    row_key     jsonb NOT NULL,
    column_name text NOT NULL,
    value       text,
    reason      text NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON shardlake.rejects (view, shard, reject_id);
CREATE INDEX ON shardlake.rejects (window_id);

-- Units whose newest version has no rows in the target: deleted, or exploded from an empty array. A database that was a
-- target before it became a ledger has the table already.
CREATE TABLE IF NOT EXISTS shardlake.tombstones (
    view        text NOT NULL,
    unit_key    jsonb NOT NULL,
    version     numeric NOT NULL,
    shard       text NOT NULL,
    PRIMARY KEY (view, unit_key)
);

-- What the shards' columns were when the view last ran well: what a shard is compared with.
CREATE TABLE shardlake.contracts (
    view        text PRIMARY KEY,
    columns     jsonb NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now()
);
