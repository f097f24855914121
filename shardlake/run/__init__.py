"""What brings source, raw, shape, sinks and ledger together: runs, backfills, replays, plans, discovery, freshness."""
