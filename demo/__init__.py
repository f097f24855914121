"""The demo: three shards, nested JSON, a first load, changes, a shard that is down. `make demo` runs it."""
