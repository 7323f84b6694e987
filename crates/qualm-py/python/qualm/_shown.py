"""What a detector looks like: as text, in a notebook, as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _html, _plot
from ._fitted import Fitted
from ._pyod import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The rules of `set_threshold`, in words.
_RULES = {
    "contamination": "the share {0:g} of the reference rows is expected above it (contamination)",
    "fpr": "at most the share {0:g} of the reference rows scores above it (fpr)",
    "threshold": "a score that was set, or that the scores of the fitted rows decided",
}


class Shown(Fitted):
    """The ways in which a detector shows its state."""

    if TYPE_CHECKING:
        n_features_in_: int

        def _as_constructed(self) -> str: ...
        def _changed(self) -> dict[str, Any]: ...
        def decision_function(self, X: Any) -> Floats: ...

    def __repr__(self) -> str:
        written = self._as_constructed()
        if not self.__sklearn_is_fitted__():
            return written
        rows = self.provenance_["n_rows"]
        return (
            f"<{written}, fitted on {rows} rows x {self.n_features_in_} columns, "
            f"threshold {self.threshold_:.6g}>"
        )

    def _repr_html_(self) -> str | None:
        """A table for notebooks, in colours of the page; nothing in it runs or is loaded.

        None, so that a notebook shows the ``repr``, after ``sklearn.set_config(display="text")``.
        """
        if not _html.wanted():
            return None
        name, changed = type(self).__name__, self._changed()
        rows = {"parameters": _html.pairs(changed) if changed else "all at their defaults"}
        if not self.__sklearn_is_fitted__():
            rows["state"] = "not fitted: call <code>fit</code>"
            return _html.facts(name, rows)
        return _html.facts(f"{name}, fitted", {**rows, **self._facts()})

    def _facts(self) -> dict[str, str]:
        """What there is to say after a fit, by heading."""
        model, provenance = self._model, self.provenance_
        kind, value = model.threshold_rule
        n_rows, n_columns = provenance["n_rows"], self.n_features_in_
        separate = provenance["reference"] == "separate_rows"
        columns = f"{n_columns:,}"
        if (names := getattr(self, "feature_names_in_", None)) is not None:
            columns += f": {_html.words(list(names))}"
        rows = {
            "rows": f"{n_rows:,}",
            "columns": columns,
            "threshold": _html.lines([_html.number(model.threshold), _RULES[kind].format(value)]),
            "reference": "rows kept apart from fitting" if separate else "the fitted rows",
        }
        if self._scores is not None:
            rows["fitted rows above"] = f"{int(self.labels_.sum()):,} of {len(self._scores):,}"
        rows["warnings"] = _html.lines(map(_html.whole, self.warnings_)) or "none"
        # Files of versions that did not ask have no diagnostics.
        found = {k: v for k, v in (self.diagnostics_ or {}).items() if v is not None}
        rows["diagnostics"] = _html.pairs(found) or "none"
        rows["origin"] = _origin(provenance)
        rows["used"] = _html.folded("every hyper-parameter", _html.pairs(self.spec_))
        return rows

    def plot(self, X: Any = None, ax: Axes | None = None) -> Axes:
        """A histogram of scores, with the threshold. Needs matplotlib.

        The axis of scores is logarithmic where all are above 0 and the largest is at least a
        hundred times the one that a hundredth of them lie below.

        Parameters
        ----------
        X : array of shape (n, d), optional
            Rows to score. Without it, the scores are those of the reference rows, which the model
            keeps: the fitted ones, or those given to :meth:`calibrate`.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        model = self._fitted("plot")
        if X is None:
            scores = model.reference_scores()
            separate = self.provenance_["reference"] == "separate_rows"
            rows = "reference rows" if separate else "fitted rows"
        else:
            scores, rows = self.decision_function(X), "rows"
        return _plot.histogram(scores, model.threshold, type(self).__name__, rows, ax)


def _origin(provenance: dict[str, Any]) -> str:
    """Version, time, seed, and what the rows were."""
    said = [
        f"qualm {provenance['qualm_version']}, {provenance['created']}",
        f"seed {provenance['seed']}",
        f"SHA-256 of the rows {provenance['input_digest']}",
    ]
    if items := provenance.get("n_items"):
        said.append(f"views of {items:,} items")
    if encoder := provenance.get("encoder"):
        said.append(f"rows made by the encoder {encoder['name']}")
    if sampling := provenance.get("sampling"):
        said.append(f"a sample of {sampling['n_rows']:,} rows")
    return _html.lines(map(_html.text, said))
