"""The ledger: tables in the warehouse's `shardlake` schema that account for every window, row and reject."""
