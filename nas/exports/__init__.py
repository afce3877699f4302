"""A network in the formats that it is shipped in."""
