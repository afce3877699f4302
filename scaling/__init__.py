"""How a network grows: compound scaling (Tan & Le 2019)."""
