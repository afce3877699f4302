"""One training: the loop, its step, its recipe, and how well the network does."""
