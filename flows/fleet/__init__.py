"""The project's runs as the server has them: late, silent and crashed ones; and who is told."""
