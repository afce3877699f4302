"""One network that holds the weights of all networks of a space, trained once; each is then judged in seconds."""
