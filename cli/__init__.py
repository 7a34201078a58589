"""The front desk: the kymograph command. Sees everything."""
