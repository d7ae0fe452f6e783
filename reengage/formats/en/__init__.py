"""English, as it is written in India: day before month, 24 hours."""
