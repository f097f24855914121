"""The lake: layouts in Parquet, Delta and Iceberg, written from the same view rows; what readers and keepers of them need."""
