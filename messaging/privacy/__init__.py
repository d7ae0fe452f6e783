"""What is known of a doctor, given out whole or erased, and how long it is kept."""
