"""What a run found, for people who were not there: its `numbers`, as one HTML `page`, as event files."""
