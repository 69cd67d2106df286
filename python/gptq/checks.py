"""Checks of arguments: each returns the value in the type that the native library takes, or says what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

INT32 = 2**31 - 1


def plain(value: Any) -> Any:
    """A number of Python from a scalar of NumPy or torch; other values unchanged."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def integer(name: str, value: Any, low: int = 0, high: int = INT32) -> int:
    """An int within [low, high]. Raises TypeError for other types, bool among them, and ValueError for other values."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}, expected an integer")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, expected {low} to {high}")
    return value


def number(name: str, value: Any) -> float:
    """A finite float from an int or a float."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {value!r}, expected a number")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}, expected a finite number")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """A bool; 0 and 1 count as such."""
    value = plain(value)
    if value in (0, 1) and isinstance(value, int):
        return bool(value)
    raise TypeError(f"{name} is {value!r}, expected True or False")


def strings(name: str, value: Any) -> list[str]:
    """A list of str; one str is a list of one."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (Sequence, set, frozenset)) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{name} is {value!r}, expected a string or a list of strings")
    return list(value)


def token_row(name: str, row: Sequence[Any]) -> list[int]:
    """Token ids from a row of integers."""
    for token in row:
        if hasattr(token, "__len__") or isinstance(token, (list, tuple)):
            raise ValueError(f"{name} has more than two dimensions, expected [T] or [N, T]")
    return [integer(f"an element of {name}", token, -INT32) for token in row]


def mask_row(name: str, row: Sequence[Any]) -> list[int]:
    """0 and 1 from a row of a mask: integers, bools, or floats."""
    row = [plain(value) for value in row]
    for value in row:
        if value not in (0, 1):
            raise ValueError(f"{name} holds {value!r}, expected 0 or 1")
    return [int(value) for value in row]


def folder(name: str, value: Any) -> str:
    """A path as the native library takes it."""
    path = os.fspath(value)
    if not isinstance(path, str):
        raise TypeError(f"{name} is {path!r}, expected a str or a path")
    if "\0" in path:
        raise ValueError(f"{name} is {path!r}, which contains a zero byte")
    return path
