-- A run may have read rows of a shard and rejected every one of them.
ALTER TABLE shardlake.run_shards DROP CONSTRAINT run_shards_state_check;
ALTER TABLE shardlake.run_shards ADD CONSTRAINT run_shards_state_check CHECK (state IN ('merged', 'nothing', 'rejected', 'failed'));
