"""The books of a world: what must hold in the ledger, the raw store and the staging schema after any run of any test."""

from __future__ import annotations

import pyarrow.parquet as pq

from tests.world import World

_UNEQUAL = """
    SELECT w.window_id, w.status, s.sink, s.raw_rows, s.shaped, s.shape_rejected, s.view_rows, s.merged, s.unchanged, s.superseded, s.rejected,
           f.rows AS in_files, r.of_shape, r.of_merge
    FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id)
    CROSS JOIN LATERAL (SELECT coalesce(sum(rows), 0) AS rows FROM shardlake.files WHERE window_id = w.window_id) f
    CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE stage = 'shape') AS of_shape, count(*) FILTER (WHERE stage = 'merge') AS of_merge
                        FROM shardlake.rejects WHERE window_id = w.window_id AND view = s.view) r
    WHERE s.applied_at IS NOT NULL AND s.sink = 'warehouse' AND NOT (
        w.raw_rows = s.raw_rows AND s.raw_rows = s.shaped + s.shape_rejected + s.others AND s.view_rows = s.merged + s.unchanged + s.superseded + s.rejected
        AND least(s.shaped, s.shape_rejected, s.view_rows, s.merged, s.unchanged, s.superseded, s.rejected, s.removed) >= 0
        AND (f.rows = w.raw_rows OR w.raw_removed_at IS NOT NULL) AND r.of_shape = s.shape_rejected AND r.of_merge = s.rejected)
"""
_UNEQUAL_IN_A_LAYOUT = """
    SELECT w.window_id, s.sink, w.raw_rows, s.raw_rows, s.shaped, s.shape_rejected, s.view_rows, s.merged, s.unchanged, s.superseded, s.rejected, of_lake
    FROM shardlake.windows w JOIN shardlake.sink_windows s USING (window_id)
    CROSS JOIN LATERAL (SELECT count(*) AS of_lake FROM shardlake.rejects WHERE window_id = w.window_id AND view = s.view
                        AND stage = 'lake' AND 'lake.' || layout = s.sink) r
    WHERE s.applied_at IS NOT NULL AND s.sink LIKE 'lake.%' AND w.attempt > 0 -- older ledgers have counted no windows of layouts
      AND NOT coalesce(
        w.raw_rows = s.raw_rows AND s.raw_rows = s.shaped + s.shape_rejected + s.others AND s.view_rows = s.merged + s.unchanged + s.superseded + s.rejected
        AND least(s.shaped, s.shape_rejected, s.view_rows, s.merged, s.unchanged, s.superseded, s.rejected) >= 0 AND of_lake <= s.rejected, false)
"""
_REJECTED_UNAPPLIED = """
    SELECT w.window_id FROM shardlake.windows w JOIN shardlake.rejects r USING (window_id)
    WHERE r.stage <> 'lake' AND NOT EXISTS (SELECT FROM shardlake.sink_windows s WHERE s.window_id = w.window_id AND s.view = r.view AND s.applied_at IS NOT NULL)
"""
_UNWRITTEN = """
    SELECT c.commit_id, c.layout, c.view_rows, c.written, c.skipped, c.rejected, f.rows, r.of_lake
    FROM shardlake.lake_commits c
    CROSS JOIN LATERAL (SELECT coalesce(sum(rows), 0) AS rows, count(*) AS files, bool_and(key ~ '/c[0-9]{8}/c[0-9]{8}-') AS anew
                        FROM shardlake.lake_files WHERE commit_id = c.commit_id) f
    CROSS JOIN LATERAL (SELECT count(*) AS windows FROM shardlake.sink_windows WHERE commit_id = c.commit_id) w
    CROSS JOIN LATERAL (SELECT count(*) AS of_lake FROM shardlake.rejects WHERE commit_id = c.commit_id) r
    WHERE c.status = 'published' AND NOT (
        c.view_rows = c.written + c.skipped + c.rejected AND least(c.written, c.skipped, c.rejected) >= 0 AND r.of_lake <= c.rejected
        AND (f.files = 0 OR f.rows = c.written OR f.anew AND (w.windows > 0 OR c.replays IS NOT NULL)  -- partitions written anew hold older rows, too
             OR f.rows < c.written AND EXISTS (SELECT FROM shardlake.lake_commits o WHERE (o.view, o.layout) = (c.view, c.layout) -- compacted and swept
                    AND o.commit_id > c.commit_id AND NOT EXISTS (SELECT FROM shardlake.sink_windows WHERE commit_id = o.commit_id))))
"""


def audit(world: World) -> None:
    """Every window's rows add up, its rejects are as many as it counts, and its raw files hold what the ledger says."""
    if world.ledger("SELECT to_regclass('shardlake.windows')::text") == [(None,)]:
        return
    assert world.ledger(_UNEQUAL) == []
    assert world.ledger(_UNEQUAL_IN_A_LAYOUT) == []
    assert world.ledger(_REJECTED_UNAPPLIED) == []
    assert world.ledger(_UNWRITTEN) == []
    for key, rows in [] if world.lake else world.ledger("SELECT key, rows FROM shardlake.files"):
        assert pq.read_metadata(world.folder / "lake" / key).num_rows == rows, key


def leftovers(world: World) -> list[str]:
    """Tables that a run should have removed: staging, and a replace's unfinished new tables."""
    found = world.warehouse(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'shardlake_staging' OR tablename LIKE '%\\_\\_new\\_%' ORDER BY 1"
    )
    return [name for (name,) in found]


def unfinished(world: World) -> list[tuple[object, ...]]:
    """(partition, status) of the windows that are not read, or not in the warehouse."""
    return world.ledger(
        "SELECT partition, status FROM shardlake.windows w WHERE status = 'open' OR status = 'read' AND NOT EXISTS"
        " (SELECT FROM shardlake.sink_windows s WHERE s.window_id = w.window_id AND s.sink = 'warehouse') ORDER BY 1"
    )
