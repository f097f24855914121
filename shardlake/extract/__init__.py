"""extract: one window of one shard into raw Parquet, in a process of its own that can be ended at a deadline."""
