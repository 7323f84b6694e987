"""What float64 holds and float32 does not: values that are large beside their differences."""

import subprocess

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick

ODD = 10


@pytest.fixture(autouse=True)
def no_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


@pytest.fixture
def near():
    """Rows around 0 with an odd one, in steps that sums with large numbers keep."""
    rows = np.random.default_rng(0).normal(size=(200, 3))
    rows[ODD] += 12
    return np.round(rows * 1024) / 1024


def fitted(detector, X):
    with pytest.warns(qualm.QualmWarning, match="less an offset"):
        return detector.fit(X)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    ("unit", "origin"),
    [(1, 1e9), (1, 1.7e9), (2048, 2.0**53), (1e13, 1e17)],
    ids=["1e9 and a little noise", "seconds", "whole numbers from 2**53", "1e17"],
)
def test_scores_are_those_of_centred_columns(cls, unit, origin, near):
    far = near * unit + origin
    detector = fitted(quick(cls), far)
    centre = np.sort(far, axis=0)[99]
    centred = quick(cls).fit((far - centre).astype(np.float32))
    if unit < 1e10:
        assert np.array_equal(detector.decision_scores_, centred.decision_scores_)
        expected = centred.decision_function((far - centre).astype(np.float32))
        assert np.array_equal(detector.decision_function(far), expected)
    rank = (detector.decision_scores_ > detector.decision_scores_[ODD]).sum()
    assert rank <= (centred.decision_scores_ > centred.decision_scores_[ODD]).sum()


def test_every_kind_of_input_gives_the_same_model(near, tmp_path, command_line):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    names = ["seconds", "number", "plain"]
    number = (near[:, 1] * 2048 + 2**53).astype(np.int64)
    # Wide enough that the scales of the columns are worth no warning.
    columns = [near[:, 0] * 4 + 1.7e9, number, near[:, 2] * 8]
    frame = pandas.DataFrame(dict(zip(names, columns)))
    table = polars.DataFrame(dict(zip(names, columns)))
    table.write_parquet(tmp_path / "t.parquet")
    table.write_csv(tmp_path / "t.csv")
    model = fitted(qualm.KNN(), frame)
    for other in [frame.convert_dtypes(), table, table.to_arrow()]:
        assert fitted(qualm.KNN(), other)._model.to_bytes() == model._model.to_bytes()
        assert np.array_equal(model.decision_function(other), model.decision_function(frame))
    for name in ["t.parquet", "t.csv"]:
        fit = [command_line, "fit", tmp_path / name, "-o", tmp_path / "cli.qualm"]
        fit += ["--detector", "knn", "--contamination", "0.1"]
        done = subprocess.run(list(map(str, fit)), check=True, capture_output=True, text=True)
        assert "'seconds' less 1699999999" in done.stderr
        assert "'plain'" not in done.stderr
        assert (tmp_path / "cli.qualm").read_bytes() == model._model.to_bytes()

    rows = np.column_stack(columns)
    array = fitted(qualm.KNN(), rows)
    assert np.array_equal(array.decision_scores_, model.decision_scores_)
    for same in [np.asfortranarray(rows), rows.tolist(), rows.astype(">f8"), rows[::-1][::-1]]:
        assert fitted(qualm.KNN(), same)._model.to_bytes() == array._model.to_bytes()
        assert np.array_equal(array.decision_function(same), array.decision_function(rows))
    # By place, from a frame whose columns are numbers.
    numbered = array.decision_function(pandas.DataFrame(rows))
    assert np.array_equal(numbered, model.decision_function(frame))
    again = qualm.load(tmp_path / "cli.qualm")
    assert np.array_equal(again.decision_function(frame), model.decision_function(frame))


def test_columns_that_float32_holds_are_left_alone(near):
    plain = qualm.KNN().fit(near * 100)
    same = qualm.KNN().fit((near * 100).astype(np.float32))
    assert plain._model.to_bytes() == same._model.to_bytes()
