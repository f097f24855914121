-- When a rejected row was read again: what that reading made of it counts, and the line is history.
ALTER TABLE shardlake.rejects ADD COLUMN read_again_at timestamptz;
CREATE INDEX ON shardlake.rejects (view, shard) WHERE read_again_at IS NULL;
