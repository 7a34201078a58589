"""People's data from elsewhere, through the public door."""
