"""How a network is found: samplers, training, engines, ledger, reports and the command line."""
