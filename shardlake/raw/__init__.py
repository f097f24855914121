"""Raw: rows as they were read, as Parquet, and the store that holds them."""
