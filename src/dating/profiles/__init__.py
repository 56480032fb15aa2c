"""Who people are, whom they look for, and where about they live."""
