"""Detectors compared without labels."""

import sys

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick
from qualm._halves import Halves
from qualm._input import rows as read
from qualm._ranks import overlap, spearman

NUMBERS = ("agreement", "overlap", "half_agreement", "half_overlap")


def without_times(found):
    return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in found.table]


# ---- measures ------------------------------------------------------------------------------


def test_rank_correlation_by_hand():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 1, 1, 0, 0.
    assert spearman(a, np.array([20.0, 10.0, 30.0, 40.0])) == pytest.approx(0.8)
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)
    # Equal scores have no ranking.
    assert spearman(a, np.ones(4)) == 0


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_rank_correlation_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for n in (2, 3, 17, 400):
        for kinds in (2, 5, 10**6):
            a, b = rng.integers(0, kinds, size=(2, n)).astype(float)
            expected = np.nan_to_num(stats.spearmanr(a, b).statistic)
            assert spearman(a, b) == pytest.approx(expected, abs=1e-12)


def test_overlap_by_hand():
    a = np.array([9.0, 8.0, 7.0, 1.0, 2.0, 3.0])
    b = np.array([9.0, 1.0, 7.0, 8.0, 2.0, 3.0])
    assert overlap(a, b, 1) == 1
    assert overlap(a, b, 2) == 0.5
    assert overlap(a, b, 3) == pytest.approx(2 / 3)
    assert overlap(a, -a, 3) == 0
    # Two places for one row that is certain and three that are equal: each has a third of the
    # second place, so that row 1 is among the two of `tied` in one draw of three.
    tied = np.array([9.0, 5.0, 5.0, 5.0, 2.0, 3.0])
    assert overlap(a, tied, 2) == pytest.approx((1 + 1 / 3) / 2)
    # All equal: by chance.
    assert overlap(np.ones(6), a, 3) == pytest.approx(3 / 6)
    assert overlap(np.ones(6), np.ones(6), 2) == pytest.approx(2 / 6)


# ---- the table ------------------------------------------------------------------------------


def test_agreement_and_overlap_of_scores(rows):
    stats = pytest.importorskip("scipy.stats")
    detectors = [qualm.KNN(), qualm.LOF(), qualm.IForest(max_samples=64)]
    found = qualm.compare(detectors, rows, top=20, halves=False)
    assert found.n_rows == 200
    assert found.n_top == 20
    scores = [detector.fit(rows).decision_scores_ for detector in detectors]
    assert np.array_equal(found.scores, np.column_stack(scores))
    assert np.allclose(found.agreement, stats.spearmanr(found.scores).statistic)
    strangest = [set(np.argsort(s)[-20:]) for s in scores]
    shared = [[len(a & b) / 20 for b in strangest] for a in strangest]
    assert np.allclose(found.overlap, shared)
    for place, row in enumerate(found.table):
        others = [j for j in range(3) if j != place]
        assert row["agreement"] == pytest.approx(found.agreement[place, others].mean())
        assert row["overlap"] == pytest.approx(np.array(shared)[place, others].mean())
        assert row["half_agreement"] is None
        assert row["half_overlap"] is None
        assert row["fit_seconds"] > 0
        assert row["score_seconds"] > 0
        assert row["warnings"] == []


@pytest.mark.parametrize("cls", CLASSES)
def test_two_halves_agree(cls, rows):
    found = qualm.compare([quick(cls)], rows, top=10, seed=3)
    (row,) = found.table
    assert row["agreement"] is None
    assert row["overlap"] is None
    # By the detectors themselves, and by scipy.
    stats = pytest.importorskip("scipy.stats")
    spec = dict(found.detectors[row["name"]].spec_)
    del spec["detector"]
    halves = Halves(200, 10, 3)
    scores = []
    for seed, half in enumerate(halves._halves, start=3):
        detector = cls(**cls._of_spec(spec), random_state=seed)
        detector.fit(np.ascontiguousarray(rows[half]))
        scored = detector.decision_function(rows)
        scored[half] = detector.decision_scores_
        scores.append(scored)
    expected = stats.spearmanr(*scores).statistic
    assert row["half_agreement"] == pytest.approx(expected, abs=1e-12)
    assert row["half_overlap"] == pytest.approx(overlap(*scores, 10))


def test_of_many_rows_a_sample_agrees(rows, monkeypatch):
    monkeypatch.setattr("qualm._halves.SAMPLE", 60)
    (row,) = qualm.compare(["KNN"], rows, top=10).table
    halves = Halves(200, 10, 0)
    assert len(halves._picked) == 60
    scores = []
    for half in halves._halves:
        detector = qualm.KNN().fit(rows[half])
        scored = detector.decision_function(rows)
        scored[half] = detector.decision_scores_
        scores.append(scored[halves._picked])
    assert row["half_agreement"] == pytest.approx(spearman(*scores))
    assert row["half_overlap"] == pytest.approx(overlap(*scores, 3))


def test_halves_are_disjoint_random_and_by_the_seed():
    for n in (2, 7, 200):
        first, second = Halves(n, 1, 0)._halves
        assert len(first) == (n + 1) // 2
        assert sorted([*first, *second]) == list(range(n))
    parts = [Halves(200, 1, seed)._halves[0] for seed in (0, 0, 1, 2**64 - 1)]
    assert np.array_equal(parts[0], parts[1])
    assert not np.array_equal(parts[0], parts[2])
    assert 30 < np.isin(parts[0], np.arange(100)).sum() < 70
    # Of many rows a sample is scored, and the same share of it is the strangest.
    many = Halves(30_000, 300, 0)
    assert len(np.unique(many._picked)) == 10_000
    assert many._top == 100
    # The same numbers in every version of NumPy.
    assert Halves(8, 1, 0)._halves[0].tolist() == EXPECTED


#: Philox with the key 2**64: the places of the four least of eight numbers.
EXPECTED = [2, 3, 5, 7]


def test_the_same_seed_gives_the_same_table(rows):
    detectors = ["IForest", "SP", qualm.KNN()]
    first, again = (qualm.compare(detectors, rows, seed=5) for _ in range(2))
    assert without_times(first) == without_times(again)
    assert np.array_equal(first.scores, again.scores)
    other = qualm.compare(detectors, rows, seed=6)
    assert without_times(first) != without_times(other)
    # Names stand for detectors of this seed, a given detector keeps its own.
    assert first.detectors["IForest"].random_state == 5
    assert first.detectors["KNN()"].random_state == 0
    drawn = qualm.compare(["SP"], rows, seed=None)
    assert without_times(drawn) == without_times(qualm.compare(["SP"], rows, seed=drawn.seed))


def test_detectors_are_not_changed(rows):
    unfitted = qualm.IForest(random_state=np.random.default_rng(0))
    state = unfitted.random_state.bit_generator.state
    fitted = qualm.KNN().fit(rows[:150])
    threshold, bytes_ = fitted.threshold_, fitted.to_bytes()
    found = qualm.compare([unfitted, fitted], rows)
    assert not unfitted.__sklearn_is_fitted__()
    assert unfitted.random_state.bit_generator.state == state
    assert (fitted.threshold_, fitted.to_bytes()) == (threshold, bytes_)
    assert found.detectors["KNN()"] is fitted
    assert found.table[1]["fit_seconds"] is None
    # Its rows are new ones.
    assert np.array_equal(found.scores[:, 1], fitted.decision_function(rows))


@pytest.mark.filterwarnings("ignore:columns are read less an offset")
def test_fitted_rows_have_the_scores_of_their_fit(rows):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    frame = pandas.DataFrame(rows.astype(np.float64) + 1e9, columns=list("abcde"))
    for X in (rows, rows.astype(np.float64), rows.tolist(), frame, polars.from_pandas(frame)):
        fitted = qualm.KNN().fit(X)
        found = qualm.compare([fitted, "KNN"], X, halves=False)
        assert np.array_equal(found.scores[:, 0], fitted.decision_scores_)
        assert np.array_equal(found.scores[:, 1], fitted.decision_scores_)
        assert not np.array_equal(fitted.decision_function(X), fitted.decision_scores_)
    loaded = qualm.from_bytes(fitted.to_bytes())
    found = qualm.compare([loaded], X, halves=False)
    assert "may be its own neighbour" in found.table[0]["warnings"][-1]


def test_rows_are_picked_and_known_by_their_digest(rows):
    taken, places = read(rows), np.array([7, 3, 3])
    picked = taken.pick(places)
    assert picked.shape == (3, rows.shape[1])
    assert picked.digest() == read(rows[places]).digest()
    assert picked.digest() != taken.digest()
    assert taken.digest() == qualm.KNN().fit(rows).provenance_["input_digest"]
    with pytest.raises(IndexError, match="no row 200: there are 200"):
        taken.pick(np.array([0, 200]))


def test_streams_and_sparse_rows_are_read_once(rows):
    pyarrow = pytest.importorskip("pyarrow")
    sparse = pytest.importorskip("scipy.sparse")
    expected = qualm.compare(["KNN", "SP"], rows)
    table = pyarrow.table({name: rows[:, j] for j, name in enumerate("abcde")})
    assert without_times(qualm.compare(["KNN", "SP"], table.to_reader())) == without_times(
        expected
    )
    with pytest.warns(qualm.QualmWarning, match="is made dense") as caught:
        found = qualm.compare(["KNN", "SP"], sparse.csr_matrix(rows))
    assert len(caught) == 1
    assert without_times(found) == without_times(expected)


def test_treatments_are_learned_from_all_rows(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows.astype(np.float64), columns=list("abcde"))
    frame["kind"] = "usual"
    # Only one half has this category.
    frame.loc[0, "kind"] = "rare"
    frame.loc[3, "b"] = np.nan
    treated = {"encode": "onehot", "missing": "median"}
    found = qualm.compare([qualm.KNN(**treated), qualm.LOF(**treated)], frame)
    assert all(np.isfinite(row[name]) for row in found.table for name in NUMBERS)
    with pytest.raises(ValueError, match="^KNN.missing='drop', encode='onehot'.: 1 row left out"):
        qualm.compare([qualm.KNN(missing="drop", encode="onehot")], frame)


def test_warnings_are_in_the_table(rows):
    rows = rows * np.float32([1, 1, 1e6, 1, 1])
    found = qualm.compare(["KNN", "ECOD"], rows)
    (warning,) = found.table[0]["warnings"]
    assert "column 'x[2]' varies" in warning
    assert found.table[1]["warnings"] == []
    assert f"KNN: {warning}" in repr(found)
    # What only a half is warned of is said, too.
    (warning,) = qualm.compare(["IForest"], rows[:200].repeat(2, axis=0)).table[0]["warnings"]
    assert warning.startswith("half of the rows: max_samples = 256, but there are only 200 rows")


def test_names(rows):
    found = qualm.compare(["knn", "ee", qualm.KNN(), qualm.KNN(), qualm.KNN(p=1)], rows)
    names = ["knn", "ee", "KNN()", "KNN() (2)", "KNN(p=1)"]
    assert [row["name"] for row in found.table] == names
    assert isinstance(found.detectors["ee"], qualm.EllipticEnvelope)
    found = qualm.compare({"near": qualm.KNN(), "trees": "IForest"}, rows, halves=False)
    assert list(found.detectors) == ["near", "trees"]


def test_what_is_shown(rows):
    pandas = pytest.importorskip("pandas")
    found = qualm.compare(["KNN", "LOF", qualm.ECOD()], rows, seed=2)
    frame = found.to_frame()
    assert frame["name"].tolist() == ["KNN", "LOF", "ECOD()"]
    assert list(frame.columns) == list(found.table[0])
    pandas.testing.assert_series_equal(
        frame["half_agreement"],
        pandas.Series([r["half_agreement"] for r in found.table]),
        check_names=False,
    )
    title, blank, head, *lines = repr(found).splitlines()
    assert title == ("3 detectors on 200 rows, of which the strangest 2 are compared; seed 2")
    assert blank == ""
    assert head.split()[0] == "detector"
    for row, line in zip(found.table, lines):
        written = line.split()
        assert written[0] == row["name"]
        assert written[3:7] == [f"{row[name]:.2f}" for name in NUMBERS]
    assert "not accuracy" in repr(found)
    html = found._repr_html_()
    assert "not accuracy" in html
    assert f"{found.agreement[0, 2]:.2f}" in html


def test_without_pandas_the_error_names_the_table(rows, monkeypatch):
    found = qualm.compare(["KNN"], rows, halves=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="the attribute table does not"):
        found.to_frame()


def test_progress(rows, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    qualm.compare(["KNN", "SP"], rows, halves=False)
    assert capsys.readouterr() == ("", "")
    qualm.compare(["KNN", "SP"], rows, verbose=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "compare: KNN 0 of 4" in err
    assert "compare: SP 0 of 4" in err


def test_what_is_refused(rows):
    for wrong, message in (
        ("KNN", "expected a list, as in \\['KNN'\\]"),
        ([qualm.KNN], "as in qualm.KNN\\(\\), or its name"),
        ([object()], "among the detectors"),
    ):
        with pytest.raises(TypeError, match=message):
            qualm.compare(wrong, rows)
    with pytest.raises(ValueError, match="unknown detector 'NN': expected one of ABOD, AutoEnc"):
        qualm.compare(["NN"], rows)
    with pytest.raises(ValueError, match="detectors is empty"):
        qualm.compare([], rows)
    for top in (0, -0.1, True, 1.5, 200, float("nan")):
        with pytest.raises(ValueError, match=f"top = {top}"):
            qualm.compare(["KNN"], rows, top=top)
    with pytest.raises(TypeError, match="top = 'all'"):
        qualm.compare(["KNN"], rows, top="all")
    with pytest.raises(ValueError, match="seed = -1"):
        qualm.compare(["KNN"], rows, seed=-1)
    # Which detector, and what to do.
    with pytest.raises(ValueError, match="^LOF: fitted to half .*at most 14 with 15 .*halves=Fal"):
        qualm.compare(["KNN", "LOF"], rows[:30])
    rows[7, 2] = np.nan
    with pytest.raises(ValueError, match="^KNN: input, row 8, column '3': found NaN"):
        qualm.compare(["KNN"], rows)
