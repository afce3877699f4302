"""Spaces around a network that there is: how its channels hang together, what its stages are, and how it is changed.

`channels` follows channels through a forward, `stages` finds what can be changed, `changes` makes a changed network,
and `space` declares the choices.
"""
