"""Exceptions and warnings of the Python half."""

from __future__ import annotations

import sys
import warnings


class QualmWarning(UserWarning):
    """Something about a fit that its user should know; the model file keeps it too."""


class _NotFittedError(ValueError, AttributeError):
    """A detector is asked before it was fitted, and scikit-learn is not there to say so."""


_NotFittedError.__name__ = _NotFittedError.__qualname__ = "NotFittedError"


def not_fitted_error() -> type[Exception]:
    """scikit-learn's ``NotFittedError`` where that is installed, else one with the same bases."""
    try:
        from sklearn.exceptions import NotFittedError
    except ImportError:
        return _NotFittedError
    return NotFittedError  # type: ignore[no-any-return]


def warn(message: str) -> None:
    """A :class:`QualmWarning` at the line outside this package that led to it.

    By default Python shows it once for each such line.
    """
    frame, level = sys._getframe(1), 2
    package = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, QualmWarning, stacklevel=level)
