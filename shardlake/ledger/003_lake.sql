-- The lake: which windows a layout holds, in which files. A commit is seen by readers when it is published, as a whole.
CREATE TABLE shardlake.lake_commits (
    commit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id       uuid NOT NULL,
    view         text NOT NULL,
    layout       text NOT NULL,
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'published')),
    opened_at    timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    view_rows    bigint,
    written      bigint,
    skipped      bigint,
    rejected     bigint,
    seconds      double precision,
    columns      jsonb,
    CHECK (status <> 'published' OR view_rows = written + skipped + rejected)
);
-- a layout has at most one commit under way, and it is finished before a new one opens
CREATE UNIQUE INDEX ON shardlake.lake_commits (view, layout) WHERE status = 'open';

CREATE TABLE shardlake.lake_windows (
    view        text NOT NULL,
    layout      text NOT NULL,
    window_id   bigint NOT NULL,
    commit_id   bigint NOT NULL REFERENCES shardlake.lake_commits ON DELETE CASCADE,
    PRIMARY KEY (view, layout, window_id)
);
CREATE INDEX ON shardlake.lake_windows (commit_id);

-- Written down before they are put, so that a commit that is broken off leaves nothing unknown behind.
-- `partition` holds the partition columns' values in order, NULL for a column that is NULL.
CREATE TABLE shardlake.lake_files (
    key         text PRIMARY KEY,
    commit_id   bigint NOT NULL REFERENCES shardlake.lake_commits ON DELETE CASCADE,
    view        text NOT NULL,
    layout      text NOT NULL,
    partition   jsonb NOT NULL,
    rows        bigint NOT NULL,
    bytes       bigint NOT NULL,
    replaced_by bigint,
    replaced_at timestamptz
);
CREATE INDEX ON shardlake.lake_files (view, layout);
CREATE INDEX ON shardlake.lake_files (commit_id);

-- Tables of the lake as `shardlake query` and the catalogue know them.
CREATE TABLE shardlake.lake_tables (
    database    text NOT NULL,
    name        text NOT NULL,
    view        text NOT NULL,
    layout      text NOT NULL,
    definition  jsonb NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (database, name)
);

ALTER TABLE shardlake.windows ADD COLUMN raw_removed_at timestamptz;
ALTER TABLE shardlake.rejects DROP CONSTRAINT rejects_stage_check;
ALTER TABLE shardlake.rejects ADD CONSTRAINT rejects_stage_check CHECK (stage IN ('shape', 'merge', 'lake'));
ALTER TABLE shardlake.rejects ADD COLUMN layout text;
ALTER TABLE shardlake.rejects ADD COLUMN commit_id bigint;
