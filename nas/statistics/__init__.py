"""What figures show: differences with their intervals, and tests of them."""
