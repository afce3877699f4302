"""Scaling at work: a network at any phi (`family`), and the grid search that finds alpha, beta and gamma (`grid`)."""
