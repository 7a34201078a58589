"""Numbers in tables: ``importers/tables.py``."""

import pytest

from importers.tables import micros


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1.5", 1_500_000),
        ("+.25", 250_000),
        ("-2.", -2_000_000),
        (" 3 ", 3_000_000),
        ("1e-05", 10),
        ("2E+1", 20_000_000),
        ("0.0000014", 1),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("-0.0000016", -2),
    ],
)
def test_a_decimal_number_becomes_the_nearest_microsecond(text: str, time_us: int) -> None:
    """Through no float; of what lies halfway, the even one."""
    assert micros({"onset": text}, "onset") == time_us


@pytest.mark.parametrize(
    "text",
    ["1_0", "\u0661\u0662", "\uff11", "1,5", "1 0", "0x1", ".", "1e", "e1", "--1", "1\u00a0", "", "inf"],
)
def test_what_is_no_decimal_number_in_ascii_is_refused(text: str) -> None:
    """Python reads some of these; no table of a study means them."""
    with pytest.raises(ValueError, match=r"^onset is .*, no number of seconds$"):
        micros({"onset": text}, "onset")


def test_no_cell_is_too_long_to_be_refused() -> None:
    """The time that it takes grows with its length, not with its square."""
    with pytest.raises(ValueError, match="no number of seconds"):
        micros({"onset": "9" * 1_000_000 + "x"}, "onset")
