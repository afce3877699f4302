"""Proxies: what a short training says of how networks rank after a long one."""
