"""What may ride beside a record's key and value: named bytes, in order, for tools that must not read the value.

Nothing that a profile depends on stands in a header: exports and archives drop them.
"""

import msgspec

Headers = tuple[tuple[str, bytes], ...]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Headers).decode


def packed(headers: Headers) -> bytes:
    """The headers as one blob; no headers are no bytes."""
    return _pack(headers) if headers else b""


def unpacked(blob: bytes) -> Headers | None:
    """The headers of a blob; None where it is none of ours."""
    try:
        return _unpack(blob) if blob else ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
