-- Two doors. What is read once is a feed's; what a view's sink has applied is the sink's. Positions and plans of windows are
-- JSON that their source alone reads.

-- One ledger is told from another by this: sinks elsewhere keep marks of the windows that they have applied.
CREATE TABLE shardlake.identity (
    ledger_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    only_one    boolean NOT NULL DEFAULT true UNIQUE CHECK (only_one)
);
INSERT INTO shardlake.identity DEFAULT VALUES;

-- Which views take their rows from a feed; raw may go when all of them have them.
CREATE TABLE shardlake.feed_views (
    feed        text NOT NULL,
    view        text NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, view)
);
INSERT INTO shardlake.feed_views (feed, view)
    SELECT DISTINCT view, view FROM (SELECT view FROM shardlake.windows UNION SELECT view FROM shardlake.watermarks) v;

-- How far a partition has been read into raw. `complete_to` is the source's time up to which every row is there, `held_by`
-- what holds it back, `unreachable` rows that the source holds and no window will take, by why.
CREATE TABLE shardlake.positions (
    feed        text NOT NULL,
    partition   text NOT NULL,
    position    jsonb NOT NULL,
    shown       text,
    complete_to timestamptz,
    held_by     text,
    unreachable jsonb NOT NULL DEFAULT '{}',
    moved_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, partition)
);
INSERT INTO shardlake.positions (feed, partition, position, shown, complete_to, moved_at)
    SELECT view, shard,
        CASE WHEN after_position IS NULL THEN jsonb_build_object('kind', kind, 'cursor', cursor_value)
             ELSE jsonb_build_object('kind', kind, 'upper', upper_bound, 'order', scan_order, 'after', after_position, 'lower', lower_bound) END,
        coalesce(cursor_value, 'scanning to ' || upper_bound), CASE WHEN after_position IS NULL THEN moved_at END, moved_at
    FROM shardlake.watermarks;

-- Who works on a partition: the lock is the session's, and this row tells whose work may be committed.
CREATE TABLE shardlake.claims (
    feed        text NOT NULL,
    partition   text NOT NULL,
    run_id      uuid NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (feed, partition)
);

-- What a view's sink made of a window; `applied_at` is NULL while a commit of several windows is under way.
CREATE TABLE shardlake.sink_windows (
    view            text NOT NULL,
    sink            text NOT NULL,
    window_id       bigint NOT NULL REFERENCES shardlake.windows ON DELETE CASCADE,
    commit_id       bigint REFERENCES shardlake.lake_commits ON DELETE CASCADE,
    applied_at      timestamptz,
    raw_rows        bigint,
    shaped          bigint,
    shape_rejected  bigint,
    view_rows       bigint,
    merged          bigint,
    unchanged       bigint,
    superseded      bigint,
    rejected        bigint,
    removed         bigint,
    seconds         jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (view, sink, window_id),
    CHECK (applied_at IS NULL OR raw_rows = shaped + shape_rejected),
    CHECK (applied_at IS NULL OR view_rows = merged + unchanged + superseded + rejected)
);
CREATE INDEX ON shardlake.sink_windows (window_id);
CREATE INDEX ON shardlake.sink_windows (commit_id);
INSERT INTO shardlake.sink_windows (view, sink, window_id, applied_at, raw_rows, shaped, shape_rejected, view_rows, merged, unchanged, superseded, rejected, removed, seconds)
    SELECT view, 'warehouse', window_id, coalesce(merged_at, opened_at), raw_rows, shaped, shape_rejected, view_rows, merged, unchanged, superseded, rejected, removed, seconds
    FROM shardlake.windows WHERE status = 'merged';
INSERT INTO shardlake.sink_windows (view, sink, window_id, commit_id, applied_at)
    SELECT l.view, 'lake.' || l.layout, l.window_id, l.commit_id, c.published_at
    FROM shardlake.lake_windows l JOIN shardlake.lake_commits c USING (commit_id) JOIN shardlake.windows w USING (window_id);
DROP TABLE shardlake.lake_windows;

-- Windows: `plan` is what is read, `start_position` and `end_position` where the partition stood before and stands after; of
-- the rows' versions the ledger knows the kind and the range. A `snapshot` reads all that there is, perhaps in several windows.
ALTER TABLE shardlake.windows RENAME COLUMN view TO feed;
ALTER TABLE shardlake.windows RENAME COLUMN shard TO partition;
ALTER TABLE shardlake.windows
    ADD COLUMN plan jsonb, ADD COLUMN start_position jsonb, ADD COLUMN end_position jsonb, ADD COLUMN version_kind text,
    ADD COLUMN from_version text, ADD COLUMN to_version text, ADD COLUMN snapshot boolean NOT NULL DEFAULT false,
    ADD COLUMN ends_snapshot boolean NOT NULL DEFAULT false, ADD COLUMN more boolean NOT NULL DEFAULT false,
    ADD COLUMN complete_to timestamptz, ADD COLUMN attempt integer NOT NULL DEFAULT 0, ADD COLUMN read_at timestamptz;
UPDATE shardlake.windows SET
    plan = jsonb_build_object('kind', kind, 'lower', lower_bound, 'upper', upper_bound, 'order', scan_order, 'after', after_position, 'ranged', backfill_id IS NOT NULL),
    version_kind = kind, from_version = lower_bound, to_version = upper_bound,
    snapshot = scan_order = 'key' AND lower_bound IS NULL,
    ends_snapshot = scan_order = 'key' AND lower_bound IS NULL AND until_position IS NULL, more = until_position IS NOT NULL,
    start_position = CASE
        WHEN after_position IS NOT NULL THEN jsonb_build_object('kind', kind, 'upper', upper_bound, 'order', scan_order, 'after', after_position, 'lower', lower_bound)
        WHEN lower_bound IS NOT NULL THEN jsonb_build_object('kind', kind, 'cursor', lower_bound) END,
    end_position = CASE
        WHEN until_position IS NOT NULL THEN jsonb_build_object('kind', kind, 'upper', upper_bound, 'order', scan_order, 'after', until_position, 'lower', lower_bound)
        WHEN kind IS NULL THEN jsonb_build_object('kind', NULL) ELSE jsonb_build_object('kind', kind, 'cursor', upper_bound) END,
    complete_to = CASE WHEN until_position IS NULL THEN merged_at END, read_at = CASE WHEN status IN ('extracted', 'merged') THEN coalesce(merged_at, opened_at) END;
ALTER TABLE shardlake.windows ALTER COLUMN plan SET NOT NULL;
-- a position moves when its window stands in raw: what was read and not merged yet counts from now on
INSERT INTO shardlake.positions (feed, partition, position, shown, moved_at)
    SELECT DISTINCT ON (feed, partition) feed, partition, end_position, coalesce(to_version, 'replaced'), coalesce(merged_at, opened_at) FROM shardlake.windows
    WHERE backfill_id IS NULL AND (status = 'extracted' OR status = 'merged' AND kind IS NULL
        AND NOT EXISTS (SELECT FROM shardlake.watermarks m WHERE m.view = feed AND m.shard = partition)) -- a view that replaced its table once has one by now
    ORDER BY feed, partition, window_id DESC
    ON CONFLICT (feed, partition) DO UPDATE SET position = excluded.position, shown = excluded.shown;
UPDATE shardlake.positions SET complete_to = moved_at WHERE shown = 'replaced';
DROP INDEX shardlake.windows_unfinished_idx, shardlake.windows_unfinished_slice_idx;
ALTER TABLE shardlake.windows DROP CONSTRAINT windows_status_check;
UPDATE shardlake.windows SET status = 'read' WHERE status IN ('extracted', 'merged');
ALTER TABLE shardlake.windows
    DROP COLUMN kind, DROP COLUMN lower_bound, DROP COLUMN upper_bound, DROP COLUMN scan_order, DROP COLUMN after_position,
    DROP COLUMN until_position, DROP COLUMN merged_at, DROP COLUMN shaped, DROP COLUMN shape_rejected, DROP COLUMN view_rows,
    DROP COLUMN merged, DROP COLUMN unchanged, DROP COLUMN superseded, DROP COLUMN rejected, DROP COLUMN removed;
ALTER TABLE shardlake.windows ADD CONSTRAINT windows_status_check CHECK (status IN ('open', 'read', 'abandoned'));
ALTER TABLE shardlake.windows ADD CHECK (status <> 'read' OR raw_rows IS NOT NULL AND end_position IS NOT NULL);
-- a partition has at most one window that is being read, and a slice of a backfill has one of its own
CREATE UNIQUE INDEX windows_open_idx ON shardlake.windows (feed, partition) WHERE status = 'open' AND backfill_id IS NULL;
CREATE UNIQUE INDEX windows_open_slice_idx ON shardlake.windows (backfill_id, slice) WHERE status = 'open' AND backfill_id IS NOT NULL;
DROP TABLE shardlake.watermarks;
ALTER TABLE shardlake.contracts RENAME COLUMN view TO feed;
