-- Backfills: ranges of the cursor that are read again, slice by slice, beside the regular runs. No watermark moves.
CREATE TABLE shardlake.backfills (
    backfill_id uuid PRIMARY KEY,
    view        text NOT NULL,
    kind        text NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    step        text NOT NULL,
    shards      text[] NOT NULL,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed')),
    message     text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz
);
CREATE INDEX ON shardlake.backfills (view, started_at DESC);

-- A slice is one shard's rows of one step. Its windows hold its rows, and say how far it is; `done` sums that up.
CREATE TABLE shardlake.backfill_slices (
    backfill_id uuid NOT NULL REFERENCES shardlake.backfills ON DELETE CASCADE,
    slice       integer NOT NULL,
    shard       text NOT NULL,
    lower_bound text NOT NULL,
    upper_bound text NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    error       text,
    ended_at    timestamptz,
    PRIMARY KEY (backfill_id, slice)
);

ALTER TABLE shardlake.windows ADD COLUMN backfill_id uuid;
ALTER TABLE shardlake.windows ADD COLUMN slice integer;
ALTER TABLE shardlake.windows ADD FOREIGN KEY (backfill_id, slice) REFERENCES shardlake.backfill_slices;
ALTER TABLE shardlake.windows ADD CHECK ((backfill_id IS NULL) = (slice IS NULL));

-- a shard has at most one unfinished window a view, and a slice of a backfill has one of its own
DROP INDEX shardlake.windows_view_shard_idx;
CREATE UNIQUE INDEX windows_unfinished_idx ON shardlake.windows (view, shard)
    WHERE status IN ('open', 'extracted') AND backfill_id IS NULL;
CREATE UNIQUE INDEX windows_unfinished_slice_idx ON shardlake.windows (backfill_id, slice)
    WHERE status IN ('open', 'extracted') AND backfill_id IS NOT NULL;
CREATE INDEX windows_of_backfill_idx ON shardlake.windows (backfill_id, slice, window_id) WHERE backfill_id IS NOT NULL;
