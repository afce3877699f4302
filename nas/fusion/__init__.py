"""Different networks that vote: their errors beside each other, weights for the vote, and what it comes to."""
