"""One task a stage: retries, limits and logging around one call of the engine."""
