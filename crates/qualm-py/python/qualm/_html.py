"""Small HTML tables for notebooks: no script, no style sheet, nothing loaded.

Colours are inherited, so that a table is legible on light and on dark pages.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Characters that are shown of a value, and items of a list.
_CHARACTERS, _ITEMS = 300, 20

_TABLE = "border-collapse:collapse;color:inherit;background:transparent;font-size:90%"
_CELL = (
    "text-align:left;vertical-align:top;padding:0.2em 0.8em;color:inherit;"
    "background:transparent;border:0 solid;border-top-width:1px"
)


def wanted() -> bool:
    """Whether notebooks are to get HTML: not after ``sklearn.set_config(display="text")``."""
    sklearn: Any = sys.modules.get("sklearn")
    return sklearn is None or bool(sklearn.get_config().get("display", "diagram") != "text")


def text(value: Any) -> str:
    """A value as text, escaped; of a long one the start, and how long it is."""
    written = str(value)
    if len(written) > _CHARACTERS:
        written = f"{written[:_CHARACTERS]}… ({len(written):,} characters)"
    return html.escape(written)


def whole(said: str) -> str:
    """A message, escaped, of any length."""
    return html.escape(said)


def number(value: float) -> str:
    """Six digits of a number; all of them are in its tooltip."""
    return f'<span title="{value!r}">{value:.6g}</span>'


def words(values: Sequence[Any]) -> str:
    """Values beside each other; of many the first, and how many there are more."""
    shown = ", ".join(f"<code>{text(value)}</code>" for value in values[:_ITEMS])
    more = len(values) - _ITEMS
    return f"{shown} and {more:,} more" if more > 0 else shown


def lines(values: Iterable[str]) -> str:
    """Pieces of HTML below each other."""
    return "<br>".join(values)


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values below each other."""
    return lines(f"<code>{text(name)} = {text(repr(v))}</code>" for name, v in values.items())


def folded(summary: str, inside: str) -> str:
    """What is shown after a click on its summary."""
    return f"<details><summary>{text(summary)}</summary>{inside}</details>"


def facts(caption: str, rows: Mapping[str, str]) -> str:
    """A table of two columns: names, which are escaped, and pieces of HTML."""
    body = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:normal;opacity:0.7">{text(name)}</th>'
        f'<td style="{_CELL}">{cell}</td></tr>'
        for name, cell in rows.items()
    )
    return _table(caption, body)


def grid(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a head, which is escaped, and rows of pieces of HTML."""
    body = "".join(f'<th scope="col" style="{_CELL}">{text(name)}</th>' for name in head)
    body = f"<tr>{body}</tr>"
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row)
        body += f"<tr>{cells}</tr>"
    return _table(caption, body)


def _table(caption: str, body: str) -> str:
    style = "text-align:left;color:inherit;font-weight:bold;padding:0.2em 0.8em"
    caption = f'<caption style="{style}">{text(caption)}</caption>'
    return f'<table style="{_TABLE}">{caption}<tbody>{body}</tbody></table>'
