"""Values of parameters, as the native half takes them."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np


def number(name: str, value: Any) -> float:
    """A number as a float; text that looks like one is none."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} = {value!r}: expected a number") from None


def only_one(method: str, asked: dict[str, Any]) -> tuple[str, float]:
    """The one of several keywords that was given, and its number."""
    given = [(name, value) for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            f"{method} takes exactly one of {', '.join(asked)}; {len(given)} were given"
        )
    ((name, value),) = given
    return name, number(name, value)


def seed(random_state: Any, name: str = "random_state") -> int:
    """A seed of 64 bits: a number as it is, ``None`` a new one each time, a generator's next."""
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if 0 <= random_state < 2**64:
            return int(random_state)
        raise ValueError(f"{name} = {random_state}: expected 0 to 2**64 - 1")
    raise TypeError(
        f"{name} = {random_state!r}: expected a whole number, None, or a NumPy generator"
    )


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's numbers, for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r}: expected a number, a word or a list of numbers")


def to_python(keys: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples, which cannot change under a default."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in keys.items()}
