"""Found and hand-designed networks trained alike, and judged on the test set: what a search's result is worth.

`candidates` says what is compared, `design` makes an experiment of it, `experiment` runs that, `results` reads what
came of it, and `report` says it.
"""
