"""What the models take: whole numbers, outcomes and parameters in range, or a ValueError that says what to do."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Wholes = NDArray[np.int64]

# A positive parameter beyond this says nothing that this one does not; up to it no likelihood overflows.
PARAMETER_MAX = 1e50


def whole_numbers(name: str, values: ArrayLike, *, low: int, high: int) -> Wholes:
    """The values as int64, shape (n,), each in ``low`` .. ``high``. Raises ValueError, also for none at all."""
    array = _line(name, values)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, not {array.dtype}: count them, and leave gaps out")
    if array.min() < low or array.max() > high:
        raise ValueError(f"{name} must lie in {low} .. {high}, not {array.min()} .. {array.max()}")
    return array.astype(np.int64)


def outcomes(name: str, values: ArrayLike, *, like: Wholes) -> Wholes:
    """The values, booleans or 0 and 1, as int64 of the shape of ``like``. Raises ValueError."""
    array = _line(name, values)
    if array.shape != like.shape:
        raise ValueError(f"{name} must be as many as what they belong to: {len(array)} for {len(like)}")
    return whole_numbers(name, array.astype(np.int64) if array.dtype.kind == "b" else array, low=0, high=1)


def positive_reals(name: str, values: ArrayLike, *, count_min: int) -> Reals:
    """The values as float64, shape (n,), each finite and above 0, at least ``count_min``. Raises ValueError."""
    array = _line(name, values)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be numbers, not {array.dtype}")
    if not (np.isfinite(array).all() and array.min() > 0):
        raise ValueError(f"{name} must be finite and above 0: leave out what is missing")
    if len(array) < count_min:
        raise ValueError(f"{len(array)} {name}, {count_min} needed: collect {count_min - len(array)} more")
    return array.astype(np.float64)


def between(name: str, value: float, low: float, high: float) -> float:
    """The value, if it lies strictly between ``low`` and ``high``. Raises ValueError, also for nan."""
    if not low < value < high:
        raise ValueError(f"{name} must lie strictly between {low:g} and {high:g}, not be {value}")
    return float(value)


def positive(name: str, value: float) -> float:
    """The value, if it is above 0 and at most PARAMETER_MAX. Raises ValueError, also for nan."""
    if not 0 < value <= PARAMETER_MAX:
        raise ValueError(f"{name} must be above 0 and at most {PARAMETER_MAX:g}, not {value}")
    return float(value)


def whole_number(name: str, value: int, *, low: int, high: int | None = None) -> int:
    """The value, if it is a whole number in ``low`` .. ``high``. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, not {value!r}")  # noqa: TRY004 - one error for a bad argument
    if value < low or (high is not None and value > high):
        raise ValueError(
            f"{name} must be {low} or more{'' if high is None else f', up to {high}'}, not {value}"
        )
    return int(value)


def _line(name: str, values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one list of numbers, not of shape {array.shape}")
    if len(array) == 0:
        raise ValueError(f"{name} is empty: there is nothing to fit")
    return array
