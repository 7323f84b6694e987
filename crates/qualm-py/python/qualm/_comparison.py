"""What :func:`qualm.compare` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _html
from ._base import Detector
from ._pyod import Floats

if TYPE_CHECKING:
    import pandas

_CAUTION = "Agreement is not accuracy: detectors may agree, and all be wrong."

#: The columns with numbers, and what they are called where they are shown.
_SHOWN = {
    "fit_seconds": "fit s",
    "score_seconds": "score s",
    "agreement": "agreement",
    "overlap": "overlap",
    "half_agreement": "half agreement",
    "half_overlap": "half overlap",
}


@dataclass(frozen=True, eq=False, repr=False)
class DetectorComparison:
    """Several detectors on the same rows, compared without labels; :func:`qualm.compare` makes it.

    Attributes
    ----------
    table : list of dict
        For each detector:

        - ``name``: its name in the comparison;
        - ``fit_seconds``: how long its fit took, reading the rows included; None where it came
          fitted;
        - ``score_seconds``: how long all rows took to score;
        - ``agreement``: the mean of its row of ``agreement`` below, over the other detectors; None
          where there is no other;
        - ``overlap``: the same of ``overlap``;
        - ``half_agreement``: Spearman's correlation between the scores of two models fitted to
          two random halves of the rows, in [-1, 1]; None without ``halves``;
        - ``half_overlap``: the overlap of the strangest rows by these two models;
        - ``warnings``: list of str, what was warned of.
    agreement : array of shape (m, m)
        Spearman's correlation between the scores of each two of the m detectors, in [-1, 1].
    overlap : array of shape (m, m)
        The share of the strangest ``n_top`` rows by one detector that are so by the other, in
        [0, 1]. Two rankings that know nothing of each other have about ``n_top / n_rows``.
    scores : array of shape (n, m)
        The scores of the rows, one column a detector.
    detectors : dict of str to Detector
        The fitted detectors, by name.
    n_rows, n_top : int
        How many rows there were, and how many of them are the strangest.
    seed : int
        The seed that was used.
    """

    table: list[dict[str, Any]]
    agreement: Floats
    overlap: Floats
    scores: Floats
    detectors: dict[str, Detector]
    n_rows: int
    n_top: int
    seed: int

    def to_frame(self) -> pandas.DataFrame:
        """The table as a frame, one row a detector. Needs pandas; ``table`` itself does not."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_frame needs pandas; the attribute table does not") from None
        return pandas.DataFrame(self.table)

    def __repr__(self) -> str:
        head = ["detector", *_SHOWN.values(), "warnings"]
        rows = [[row["name"], *_numbers(row), str(len(row["warnings"]))] for row in self.table]
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        lines = [self._title(), "", *(_line(row, widths) for row in (head, *rows)), ""]
        lines.extend(f"{name}: {warning}" for name, warning in self._warnings())
        return "\n".join([*lines, _CAUTION])

    def _repr_html_(self) -> str | None:
        """Tables for notebooks, in colours of the page; nothing in them runs or is loaded."""
        if not _html.wanted():
            return None
        names = [row["name"] for row in self.table]
        rows = [
            [_html.text(row["name"]), *_numbers(row), str(len(row["warnings"]))]
            for row in self.table
        ]
        pieces = [_html.grid(self._title(), ["detector", *_SHOWN.values(), "warnings"], rows)]
        if len(names) > 2:
            for caption, pairs in (("Agreement", self.agreement), ("Overlap", self.overlap)):
                cells = [
                    [_html.text(name), *(f"{value:.2f}" for value in row)]
                    for name, row in zip(names, pairs)
                ]
                pieces.append(_html.grid(caption, ["", *names], cells))
        said = [_html.whole(f"{name}: {warning}") for name, warning in self._warnings()]
        return f"{''.join(pieces)}<p>{_html.lines([*said, _html.whole(_CAUTION)])}</p>"

    def _title(self) -> str:
        many = len(self.table)
        return (
            f"{many} detector{'s' if many > 1 else ''} on {self.n_rows:,} rows, of which the "
            f"strangest {self.n_top:,} are compared; seed {self.seed}"
        )

    def _warnings(self) -> Iterator[tuple[str, str]]:
        for row in self.table:
            for warning in row["warnings"]:
                yield row["name"], warning


def _numbers(row: dict[str, Any]) -> list[str]:
    """The numbers of a row of the table: seconds of three digits, shares and correlations of two
    decimals."""
    written = []
    for column in _SHOWN:
        value = row[column]
        digits = ".3g" if column.endswith("seconds") else ".2f"
        written.append("-" if value is None else f"{value:{digits}}")
    return written


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Text to the left, numbers to the right."""
    first, *others = cells
    padded = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:]))]
    return "  ".join(padded)
