-- The windows of a commit that writes them again: their rows take the place of those that the layout holds already.
ALTER TABLE shardlake.lake_commits ADD COLUMN replays bigint[];

-- When the catalogue was told of a window's raw files; NULL where that has yet to be.
ALTER TABLE shardlake.windows ADD COLUMN raw_registered_at timestamptz;

-- Every sink remembers for itself which units are gone. A layout's name here is 'lake.<table>'.
ALTER TABLE shardlake.tombstones ADD COLUMN IF NOT EXISTS sink text NOT NULL DEFAULT 'warehouse';
ALTER TABLE shardlake.tombstones DROP CONSTRAINT tombstones_pkey;
ALTER TABLE shardlake.tombstones ADD PRIMARY KEY (view, sink, unit_key);
-- layouts of current rows have asked the warehouse's until now; histories, which have none, hold a column `_window`
INSERT INTO shardlake.tombstones (view, sink, unit_key, version, shard)
SELECT d.view, 'lake.' || l.layout, d.unit_key, d.version, d.shard
FROM shardlake.tombstones d
JOIN (SELECT DISTINCT view, layout FROM shardlake.lake_commits) l USING (view)
WHERE NOT EXISTS (
    SELECT FROM shardlake.lake_tables t
    WHERE t.view = l.view AND t.layout = l.layout AND t.definition ->> 'format' <> 'view' AND t.definition -> 'columns' @> '[["_window", "bigint"]]'
);
