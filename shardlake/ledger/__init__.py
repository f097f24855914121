"""The ledger: tables in the schema `shardlake` of a Postgres database that account for every window, row and reject."""
