-- What readers are to be told of a commit: written down before they are told, so that a commit that is broken off from there on is
-- finished as it was meant, and nothing that a reader may know by then is removed.
ALTER TABLE shardlake.lake_commits ADD COLUMN switch jsonb;

-- the counts are written with it, and hold from there on
ALTER TABLE shardlake.sink_windows DROP CONSTRAINT sink_windows_check, DROP CONSTRAINT sink_windows_check1;
ALTER TABLE shardlake.sink_windows ADD CHECK (raw_rows = shaped + shape_rejected);
ALTER TABLE shardlake.sink_windows ADD CHECK (view_rows = merged + unchanged + superseded + rejected);
ALTER TABLE shardlake.lake_commits DROP CONSTRAINT lake_commits_check;
ALTER TABLE shardlake.lake_commits ADD CHECK (view_rows = written + skipped + rejected);
