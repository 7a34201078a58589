"""The registry of games: every module of this folder is a game."""
