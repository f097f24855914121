"""stage and merge: view rows into all-text staging by COPY, and from there, cast, into the target in one transaction."""
