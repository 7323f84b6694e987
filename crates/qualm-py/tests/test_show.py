"""What a detector shows of itself: text, tables for notebooks, a plot."""

import builtins
from html.parser import HTMLParser

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick

every = pytest.mark.parametrize("cls", CLASSES)


class Page(HTMLParser):
    """The tags and attributes of a page, its text, and the cells of its tables."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.cells, self.open = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag != "br":
            self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.cells and {"th", "td"} & set(self.open):
            self.cells[-1] += data

    def __getitem__(self, heading):
        """The cell beside this one."""
        return self.cells[self.cells.index(heading) + 1]


def safe(html):
    """A page without script, style sheet, link or colour of its own."""
    page = Page(html)
    allowed = {"table", "caption", "tbody", "tr", "th", "td", "code", "br", "span", "p"}
    assert set(page.tags) <= allowed | {"details", "summary"}
    assert {name for name, _ in page.attributes} <= {"style", "scope", "title"}
    for name, value in page.attributes:
        if name == "style":
            assert "url" not in value
            assert "#" not in value
            assert "color:" not in value.replace("color:inherit", "")
    return page


@every
def test_a_fitted_detector_says_what_it_is(cls, rows):
    detector = quick(cls, contamination=0.25, random_state=7)
    page = safe(detector._repr_html_())
    assert "not fitted" in page["state"]
    assert "contamination = 0.25" in page["parameters"]
    page = safe(detector.fit(rows)._repr_html_())
    assert page["rows"] == "200"
    assert page["columns"] == "5"
    assert page["threshold"].startswith(f"{detector.threshold_:.6g}")
    assert "share 0.25" in page["threshold"]
    assert page["reference"] == "the fitted rows"
    assert page["fitted rows above"] == f"{detector.labels_.sum()} of 200"
    for name, value in detector.diagnostics_.items():
        assert value is None or f"{name} = {value!r}" in page["diagnostics"]
    provenance = detector.provenance_
    for said in ("qualm_version", "created", "input_digest"):
        assert provenance[said] in page["origin"]
    assert "seed 7" in page["origin"]
    for name, value in detector.spec_.items():
        assert f"{name} = {value!r}" in page["used"]


def test_defaults_are_not_listed(rows):
    assert safe(qualm.KNN().fit(rows)._repr_html_())["parameters"] == "all at their defaults"
    page = safe(qualm.KNN(n_neighbors=3)._repr_html_())
    assert page["parameters"] == "n_neighbors = 3"


def test_the_rule_of_the_threshold(rows):
    detector = qualm.KNN(contamination="auto").fit(rows)
    assert "scores of the fitted rows decided" in safe(detector._repr_html_())["threshold"]
    detector.set_threshold(fpr=0.05)
    assert "share 0.05" in safe(detector._repr_html_())["threshold"]
    detector.calibrate(rows + 0.5)
    page = safe(detector._repr_html_())
    assert page["reference"] == "rows kept apart from fitting"
    loaded = qualm.from_bytes(detector.to_bytes())
    assert "fitted rows above" not in safe(loaded._repr_html_()).cells


def test_names_and_warnings_are_escaped(rows):
    pandas = pytest.importorskip("pandas")
    names = ["<script>alert(1)</script>", 'a"b', "c&d", "</table>", "<img src=x onerror=y>"]
    frame = pandas.DataFrame(rows * np.float32([1, 1, 1e6, 1, 1]), columns=names)
    frame["<b>when</b>"] = "2020"
    with pytest.warns(qualm.QualmWarning):
        detector = qualm.KNN().fit(frame)
    page = safe(detector._repr_html_())
    assert page["columns"] == "5: " + ", ".join(names)
    assert any("<b>when</b>" in warning for warning in detector.warnings_)
    assert page["warnings"] == "".join(detector.warnings_)
    other = qualm.compare({"<script>": "KNN", "&": "LOF", "c": "SP"}, rows * 1, halves=False)
    assert {"<script>", "&"} <= set(safe(other._repr_html_()).cells)


def test_many_columns_are_counted(rows):
    pandas = pytest.importorskip("pandas")
    wide = np.random.default_rng(0).normal(size=(60, 1200))
    frame = pandas.DataFrame(wide, columns=[f"c{j}" for j in range(1200)])
    columns = safe(qualm.KNN().fit(frame)._repr_html_())["columns"]
    assert columns.startswith("1,200: c0, c1, ")
    assert columns.endswith("c19 and 1,180 more")


def test_scikit_learns_setting_counts(rows):
    sklearn = pytest.importorskip("sklearn")
    detector = qualm.KNN().fit(rows)
    with sklearn.config_context(display="text"):
        assert detector._repr_html_() is None
        assert qualm.compare([detector], rows, halves=False)._repr_html_() is None
        assert qualm.ood.MaxSoftmax()._repr_html_() is None
    assert detector._repr_html_()


def test_out_of_distribution_detectors_show_themselves(rows):
    detector = qualm.ood.KNN(k=3)
    assert repr(detector).startswith("KNN(n_neighbors=3")
    assert safe(detector._repr_html_())["state"] == "not fitted"
    detector.fit_features(rows)
    assert repr(detector).startswith("<KNN(n_neighbors=3")
    assert repr(detector).endswith(f", fitted, threshold {detector.threshold_:.6g}>")
    page = safe(detector._repr_html_())
    assert page["threshold"] == f"{detector.threshold_:.6g}"
    assert "n_neighbors = 3" in page["used"]


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def heights(ax):
    return np.array([bar.get_height() for bar in ax.patches])


@every
def test_the_histogram_has_every_row_and_the_threshold(cls, rows, pyplot):
    detector = quick(cls).fit(rows)
    ax = detector.plot()
    assert heights(ax).sum() == 200
    (line,) = ax.lines
    assert list(line.get_xdata()) == [detector.threshold_] * 2
    (entry,) = ax.get_legend().get_texts()
    assert entry.get_text().endswith(f": {detector.labels_.sum()} of 200 above")
    assert cls.__name__ in ax.get_title()
    # Of other rows, on axes that are there.
    _, given = pyplot.subplots()
    assert detector.plot(rows[:50] + 1, ax=given) is given
    assert heights(given).sum() == 50


def test_what_a_histogram_is_of(rows, pyplot):
    detector = qualm.KNN().fit(rows)
    assert detector.plot().get_ylabel() == "fitted rows"
    # A model file keeps them, in their order.
    assert heights(qualm.from_bytes(detector.to_bytes()).plot()).sum() == 200
    detector.calibrate(rows[:80] + 0.1)
    ax = detector.plot()
    assert ax.get_ylabel() == "reference rows"
    assert heights(ax).sum() == 80
    with pytest.raises(qualm.NotFittedError, match="before using 'plot'"):
        qualm.KNN().plot()


def test_an_axis_is_logarithmic_over_decades(rows, pyplot):
    assert qualm.KNN().fit(rows).plot().get_xscale() == "linear"
    rows[:3] *= 1e4
    detector = qualm.KNN().fit(rows)
    ax = detector.plot()
    assert ax.get_xscale() == "log"
    assert heights(ax).sum() == 200
    # Where the threshold has no logarithm, and where scores have none.
    assert detector.set_threshold(threshold=-1.0).plot().get_xscale() == "linear"
    detector = qualm.ABOD(n_neighbors=5).fit(rows)
    assert (detector.decision_scores_ < 0).any()
    assert detector.plot().get_xscale() == "linear"


def test_equal_scores_have_a_histogram(rows, pyplot):
    detector = qualm.KNN().fit(rows)
    for row in (rows[:1], rows[:1] * 1e15):
        assert heights(detector.plot(np.repeat(row, 7, axis=0))).sum() == 7


def test_without_matplotlib_the_error_says_what_to_install(rows, monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return imported(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        qualm.KNN().fit(rows).plot()
