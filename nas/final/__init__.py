"""A network trained to the end, in a folder of its own: begun, stopped, continued, tested once."""
