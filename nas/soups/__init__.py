"""Model soups: the mean of the weights that one network has after several trainings (Wortsman et al. 2022)."""
