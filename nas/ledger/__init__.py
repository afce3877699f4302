"""What is kept of an experiment: its configuration, its trials, and all that reads, lists or mends them."""
