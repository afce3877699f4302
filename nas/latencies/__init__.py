"""How long any network of a space takes on a target, by a table of measurements there: see docs/latency_table.md."""
