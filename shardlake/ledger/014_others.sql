-- Of a feed that several views share, the rows that are not the view's: raw rows = shaped + rejected in shape + others.
ALTER TABLE shardlake.sink_windows ADD COLUMN others bigint NOT NULL DEFAULT 0;
ALTER TABLE shardlake.sink_windows DROP CONSTRAINT sink_windows_check;
ALTER TABLE shardlake.sink_windows ADD CONSTRAINT sink_windows_check CHECK (raw_rows = shaped + shape_rejected + others);

-- Which rows of its feed a view takes, as it says it; empty where it takes all.
ALTER TABLE shardlake.feed_views ADD COLUMN takes text NOT NULL DEFAULT '';
