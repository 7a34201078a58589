"""People with known traits who play the games through the public door."""
