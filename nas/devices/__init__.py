"""What computes, and what it can: its memory, its precision, its speed, what it records, where it is."""
