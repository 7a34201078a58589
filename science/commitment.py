"""What chance was bound by before it showed: the SHA-256 of two lines, of which one stays secret until the game is over."""

from hashlib import sha256

import msgspec


def opens(commit: str, first: str, second: str) -> bool:
    """Whether these are the two lines that were committed to (hexadecimal SHA-256)."""
    return sha256(f"{first}\n{second}".encode()).hexdigest() == commit


def revealed_integers(commit: str, seed: str, text: str, what: str) -> list[int] | str:
    """The integers that a text of JSON reveals; or what is wrong with it, in words about ``what``."""
    if not opens(commit, seed, text):
        return f"the revealed {what} are not those committed to"
    try:
        return msgspec.json.decode(text, type=list[int])
    except msgspec.DecodeError:
        return f"the revealed {what} are no list of integers"
