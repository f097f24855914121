"""View rows before the sinks: their columns, the verdict on their values, and their counts. Every sink is given the same."""
