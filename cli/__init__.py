"""The `shardlake` command: one command a file."""
