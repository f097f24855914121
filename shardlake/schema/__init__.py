"""Columns as they are found at the source: drafted, kept in the lake as a schema with a version, widened by the next."""
