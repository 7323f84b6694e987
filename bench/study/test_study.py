"""python3 -m pytest bench/study"""

import math
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paired import paired  # noqa: E402
from report import Protocol  # noqa: E402
from sets import sets, split  # noqa: E402


def test_by_hand():
    # Differences 1, 2, 3: standard deviation 1, and t of two degrees of freedom is 4.303.
    found = paired([1, 2, 3])
    assert found.mean == 2
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert (found.ahead, found.sets, found.sure) == (3, 3, False)


def test_as_scipy():
    a, b = np.random.default_rng(0).normal([[0.4], [0]], size=(2, 50))
    found, theirs = paired(a - b), stats.ttest_rel(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    # The interval excludes zero where the test rejects.
    for shift in np.linspace(-1, 1, 21):
        assert paired(a - b + shift).sure == (stats.ttest_rel(a + shift, b).pvalue < 0.05)


@pytest.mark.parametrize("differences", [[], [5.0], [2.0, 2.0, 2.0]])
def test_without_spread_nothing_is_sure(differences):
    assert not paired(differences).sure


def test_ties_are_not_ahead():
    assert paired([0, 0, 1, -1]).ahead == 1


@pytest.fixture(params=["embeddings", "oddbench"])
def labelled(request, tmp_path):
    """A set of 100 usual rows and 40 outliers, its first column the number of the row."""
    label = np.tile([1, 0, 0, 1, 0, 0, 0], 20)
    part = np.where(label == 1, 1, np.arange(140) % 2)
    columns = {"f0": np.arange(140, dtype=np.float32), "label": label}
    if request.param == "oddbench":
        columns["part"] = part
    (tmp_path / request.param).mkdir()
    for name in "abc":
        pq.write_table(pa.table(columns), tmp_path / request.param / f"{name}.parquet")
    return list(sets(tmp_path, request.param)), label, part


def test_halves_are_every_other_set(labelled):
    halves = [(one.path.stem, one.half) for one in labelled[0]]
    assert halves == [("a", "A"), ("c", "A"), ("b", "B")]
    if labelled[0][0].kind == "oddbench":
        assert not any(one.path.stem == one.name.split("/")[-1] for one in labelled[0])


def test_mixed_scores_what_it_fits(labelled):
    (one, *_), label, _ = labelled
    found = split(one, "mixed", 5000)
    # Of oddbench the first outliers of the file, a tenth of the rows; otherwise all.
    rows = np.arange(140)
    if one.kind == "oddbench":
        rows = np.sort(np.append(rows[label == 0], rows[label == 1][:11]))
    assert found.new is None
    assert np.array_equal(found.fitted[:, 0], rows)
    assert np.array_equal(found.outlier, label[rows] == 1)


def test_clean_fits_usual_rows_alone_and_scores_the_others(labelled):
    (one, *_), label, part = labelled
    found = split(one, "clean", 5000)
    fitted, new = found.fitted[:, 0].astype(int), found.new[:, 0].astype(int)
    assert not label[fitted].any()
    assert np.array_equal(np.sort(np.append(fitted, new)), np.arange(140))
    assert np.array_equal(found.outlier, label[new] == 1)
    assert len(fitted) == 50 if one.kind == "embeddings" else (part[fitted] == 0).all()


def test_a_sample_has_the_same_rows_under_both_protocols(labelled):
    (one, *_), _, _ = labelled
    mixed, clean = split(one, "mixed", 60), split(one, "clean", 60)
    assert len(mixed.fitted) == (60 if one.kind == "embeddings" else 111)
    if one.kind == "embeddings":
        assert np.array_equal(np.sort(np.vstack([clean.fitted, clean.new]), 0), mixed.fitted)


def run(contender, name, half, points, seed=0):
    row = {"contender": contender, "set": name, "half": half, "seed": seed, "status": "ok"}
    return row | {"auroc": points / 100, "seconds": 1.0}


def test_report():
    rows = [run("dum default", "a", "A", 90), run("dum default", "a", "A", 80, 1)]
    rows += [run("knn", "a", "A", 80), run("ee", "a", "A", 95)]
    found = Protocol("tables", rows)
    assert found.ranks("dum default") == [2] and found.ranks("knn") == [3]
    assert found.spreads("dum default") == [pytest.approx(math.sqrt(50))]
    # A half without sets has no mean.
    assert found.line("knn")[2:5] == ["80.0", "80.0", "–"]
    assert found.test("knn", found.sets) == ["+5.0 (–)", "– to –", "1 of 1"]
    assert found.test("knn", []) == ["– (–)", "– to –", "0 of 0"]


def test_consensus_is_the_mean_of_ranks():
    pytest.importorskip("pyod")
    from consensus import Consensus
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN

    generator = np.random.default_rng(0)
    rows, new = generator.normal(size=(200, 6)), generator.normal(size=(50, 6)) * 2
    ours = Consensus()
    ours.rows = rows
    ours.fit("pyod/consensus", 3)
    three = [model.fit(rows) for model in [IForest(random_state=3), ECOD(), KNN()]]
    found = ours.scores() * len(rows), ours.scores(new) * len(new)
    fitted = [stats.rankdata(one.decision_scores_) for one in three]
    scored = [stats.rankdata(one.decision_function(new)) for one in three]
    assert found[0] == pytest.approx(np.mean(fitted, axis=0))
    assert found[1] == pytest.approx(np.mean(scored, axis=0))
    ours.fit("pyod/engine", 3)
    chosen = [type(one["detector"]).__name__ for one in ours.results]
    assert chosen == ["KNN", "IForest", "LOF"]
