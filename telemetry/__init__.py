"""How the house watches itself. Sees nothing of the house."""
