"""What a doctor wants to get: the page behind /u/, and what is done with the answer."""
