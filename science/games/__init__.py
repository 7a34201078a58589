"""The registry of games: every module of this folder is a game and says so in ``GAME``."""

from importlib import import_module
from pkgutil import iter_modules

from science.game import Game

GAMES: dict[str, Game] = {
    module.name: import_module(f"{__name__}.{module.name}").GAME
    for module in sorted(iter_modules(__path__), key=lambda module: module.name)
}
