"""What one field's value must be: a check a field, made once from its schema. A refusal is a ``Flaw``, never a guess."""

import json
import re
from collections.abc import Callable
from typing import NoReturn

import msgspec

from streams.schemas import Field

_SHOWN_MAX = 100
_JSON_DEPTH_MAX = 64  # far below any C or Python stack, so that a verdict never depends on who is calling
_JSON_INTEGER_MAX = 9_007_199_254_740_991  # 2**53 - 1: beyond it a browser rounds (RFC 8785, 3.2.2.3)


class Flaw(msgspec.Struct, frozen=True):
    """What is wrong, where (a JSON pointer; empty for the whole), observed and allowed, and what to do."""

    code: str
    pointer: str
    message: str
    suggestion: str


class Unreadable(Exception):
    """The bytes or fields are not a valid record. ``flaw`` says why."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(f"{flaw.code} at {flaw.pointer or '/'}: {flaw.message}")
        self.flaw = flaw


Check = Callable[[object], Flaw | None]


def check_of(field: Field) -> Check:
    """The check of one field: types are exact, for Avro would write True as 1 and 1.9 as 1."""
    match field.type:
        case "long":
            check = _long_check(field)
        case "string":
            check = _string_check(field)
        case "bytes":
            check = _bytes_check(field)
        case "boolean":
            check = _boolean_check(field)
        case "enum":
            check = _enum_check(field)
        case other:
            raise TypeError(f"{field.name}: {other} has no check; kymograph schemas check says why")
    if not field.nullable:
        return check
    return lambda value: None if value is None else check(value)


def _long_check(field: Field) -> Check:
    low, high = field.minimum, field.maximum
    assert low is not None
    assert high is not None

    def check(value: object) -> Flaw | None:
        if type(value) is not int:  # a bool is an int to Python, and never to us
            return _wrong_type(field, value, "an integer")
        if low <= value <= high:
            return None
        return _flaw(
            "out_of_range",
            field,
            f"is {shown(value)}, allowed is {low}..{high}",
            "send a value in this range",
        )

    return check


def _string_check(field: Field) -> Check:
    low, high = field.min_length or 0, field.max_length
    assert high is not None
    matches = re.compile(field.pattern).fullmatch if field.pattern is not None else None

    def check(value: object) -> Flaw | None:
        if type(value) is not str:
            return _wrong_type(field, value, "a string")
        if not low <= len(value) <= high:
            return _flaw(
                "out_of_range",
                field,
                f"has {len(value)} characters, allowed is {low}..{high}",
                "send a text of this length",
            )
        if matches is not None and matches(value) is None:
            return _flaw(
                "bad_pattern", field, f"is {shown(value)}, allowed is {field.pattern}", "send it in this form"
            )
        if not value.isascii() and not _is_unicode(value):
            return _flaw(
                "bad_pattern",
                field,
                "holds half a surrogate pair, which no UTF-8 can say",
                "send whole characters",
            )
        if field.canonical_json and (reason := _json_flaw(value)) is not None:
            return _flaw(
                "not_canonical",
                field,
                f"is no canonical JSON: {reason}",
                "send an object or list, keys sorted, without spaces, integers only",
            )
        return None

    return check


def _bytes_check(field: Field) -> Check:
    high = field.max_length
    assert high is not None

    def check(value: object) -> Flaw | None:
        if type(value) is not bytes:
            return _wrong_type(field, value, "bytes")
        if len(value) <= high:
            return None
        return _flaw(
            "out_of_range", field, f"has {len(value)} bytes, at most {high} are allowed", "send fewer"
        )

    return check


def _boolean_check(field: Field) -> Check:
    return lambda value: None if type(value) is bool else _wrong_type(field, value, "true or false")


def _enum_check(field: Field) -> Check:
    symbols = frozenset(field.symbols)

    def check(value: object) -> Flaw | None:
        if type(value) is not str:
            return _wrong_type(field, value, "a string")
        if value in symbols:
            return None
        return _flaw(
            "out_of_range",
            field,
            f"is {shown(value)}, allowed is {', '.join(field.symbols)}",
            "send one of these",
        )

    return check


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_flaw(text: str) -> str | None:
    """Why the text is not its own canonical form (as RFC 8785, integers only), or None."""
    try:
        parsed = json.loads(text, parse_float=_no_number, parse_constant=_no_number, parse_int=_json_integer)
        if not isinstance(parsed, dict | list):
            return "an object or a list must be at the top"
        if _is_deeper(parsed, _JSON_DEPTH_MAX):
            return f"it nests deeper than {_JSON_DEPTH_MAX}"
        canonical = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        return str(error)[:_SHOWN_MAX]
    return None if canonical == text else f"it should begin {shown(canonical)}"


def _is_deeper(parsed: object, depth_max: int) -> bool:
    level = [parsed]
    for _ in range(depth_max):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        ]
    return any(isinstance(node, dict | list) for node in level)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")


def _json_integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > _JSON_INTEGER_MAX:
        raise ValueError(f"the integer {text[:20]} is beyond 2^53 - 1")
    return number


def pointer_to(name: str) -> str:
    """The JSON pointer of a field of a flat record (RFC 6901), short and encodable whatever the name."""
    name = name[:_SHOWN_MAX].encode("utf-8", "backslashreplace").decode()[:_SHOWN_MAX]
    return "/" + name.replace("~", "~0").replace("/", "~1")


def shown(value: object) -> str:
    """A value for a message: short, and encodable whatever it holds."""
    if isinstance(value, int) and value.bit_length() > 64:
        return "an integer beyond 64 bits"  # Python refuses to print the largest
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."


def _flaw(code: str, field: Field, message: str, suggestion: str) -> Flaw:
    return Flaw(code, pointer_to(field.name), f"{field.name} {message}", suggestion)


def _wrong_type(field: Field, value: object, wanted: str) -> Flaw:
    allowed = f"{wanted} or null" if field.nullable else wanted
    return _flaw(
        "wrong_type", field, f"is of type {type(value).__name__}, allowed is {allowed}", f"send {allowed}"
    )
