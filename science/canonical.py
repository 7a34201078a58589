"""One text for one value: canonical JSON and its SHA-256.

Keys sorted by code point, no blanks, integers and strings only: on such values, with keys inside the basic plane and integers
below 2**53, it is the form of RFC 8785, and it is the same on every platform because no float is ever printed.
"""

from collections.abc import Iterable
from hashlib import sha256

import msgspec


def canonical(value: object) -> bytes:
    """The canonical JSON of a value made of dicts, lists, strings, integers, booleans, None and Structs of such."""
    plain = msgspec.to_builtins(value)
    assert is_floatless(plain), "canonical JSON holds no floats: give micro-units"
    return encoded(plain)


def encoded(value: object) -> bytes:
    """``canonical`` without looking for floats, which takes most of its time: of a Struct whose declared types leave none room.

    A float that got in all the same would be printed.
    """
    return msgspec.json.encode(value, order="sorted")


def digest(value: object) -> str:
    """The SHA-256 of ``canonical(value)``, in lower-case hexadecimal."""
    return sha256(canonical(value)).hexdigest()


_SCALARS = {int, str, bool, type(None)}


def is_floatless(value: object) -> bool:
    """Whether a value made of dicts, lists and scalars can be written canonically."""
    open_: list[object] = [value]
    while open_:
        item = open_.pop()
        if isinstance(item, dict):
            if not set(map(type, item)) <= {str}:
                return False
            inside: Iterable[object] = item.values()
        elif isinstance(item, list | tuple):
            inside = item
        elif type(item) in _SCALARS:
            continue
        else:
            return False
        if (
            not set(map(type, inside)) <= _SCALARS
        ):  # most containers hold scalars alone: they are seen at one glance
            open_ += inside
    return True
