"""A Postgres table: staging by COPY, and a merge that casts, in one transaction."""
