-- A backfill that nobody wants any more.
ALTER TABLE shardlake.backfills DROP CONSTRAINT backfills_state_check;
ALTER TABLE shardlake.backfills ADD CONSTRAINT backfills_state_check CHECK (state IN ('running', 'completed', 'failed', 'given up'));
