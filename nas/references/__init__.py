"""What a name means that a person gives: a network, where it comes from, and what it is made of."""
