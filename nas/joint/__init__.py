"""A search that chooses the recipe together with the network: which fields, and the space of both."""
