"""How things are written for people: units, columns, and what a terminal shows."""
