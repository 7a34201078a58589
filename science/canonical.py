"""One text for one value: canonical JSON and its SHA-256.

Keys sorted by code point, no blanks, integers and strings only: on such values, with keys inside the basic plane and integers
below 2**53, it is the form of RFC 8785, and it is the same on every platform because no float is ever printed.
"""

from hashlib import sha256

import msgspec


def canonical(value: object) -> bytes:
    """The canonical JSON of a value made of dicts, lists, strings, integers, booleans, None and Structs of such."""
    plain = msgspec.to_builtins(value)
    assert _is_floatless(plain), "canonical JSON holds no floats: give micro-units"
    return msgspec.json.encode(plain, order="sorted")


def digest(value: object) -> str:
    """The SHA-256 of ``canonical(value)``, in lower-case hexadecimal."""
    return sha256(canonical(value)).hexdigest()


def _is_floatless(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_floatless(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_floatless(item) for item in value)
    return value is None or isinstance(value, int | str)
