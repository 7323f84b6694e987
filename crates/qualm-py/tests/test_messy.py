"""Tables as people have them: missing values, categories and dates, by one recipe."""

from __future__ import annotations

import io
import subprocess
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import qualm

TREATED = {"missing": "median", "encode": "onehot", "dates": True}


def customers() -> pd.DataFrame:
    """Every tenth age is missing, every fifteenth country; row 150 (from 1) is strange."""
    n = 200
    x = (np.arange(n) * 7919 % n) / n
    age = np.where(np.arange(n) % 10 == 3, np.nan, np.round(30 + 20 * x, 1))
    country = [["it", "fr", "de", "at"][i % 4 * (i % 3) % 4] for i in range(n)]
    return pd.DataFrame(
        {
            "age": age,
            "income": np.where(np.arange(n) == 149, 9000.0, np.round(2000 + 500 * x, 2)),
            "country": [None if i % 15 == 7 else c for i, c in enumerate(country)],
            "since": pd.date_range("2024-03-01", periods=n, freq="D"),
        }
    )


def detector(**keys):
    return qualm.KNN(space="standardise", **{**TREATED, **keys})


def quiet(fit, *arguments):
    """The same without warnings that are no part of the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", qualm.QualmWarning)
        return fit(*arguments)


def test_one_table_gives_one_model_whoever_holds_it():
    frame = customers()
    fitted = quiet(detector().fit, frame)
    expected = fitted.decision_scores_
    assert expected.argmax() == 149
    others = (
        frame.convert_dtypes(),
        frame.astype({"country": "category"}),
        pl.from_pandas(frame),
        pa.Table.from_pandas(frame, preserve_index=False),
        frame.assign(since=[str(time.date()) for time in frame["since"]]),
        frame.assign(since=[time.date() for time in frame["since"]]),
    )
    for other in others:
        again = quiet(detector().fit, other)
        np.testing.assert_array_equal(again.decision_scores_, expected)
        np.testing.assert_array_equal(
            quiet(fitted.decision_function, other), quiet(fitted.decision_function, frame)
        )


def test_what_goes_in_is_named_and_what_is_made_of_it():
    fitted = quiet(detector().fit, customers())
    assert fitted.n_features_in_ == 4
    assert list(fitted.feature_names_in_) == ["age", "income", "country", "since"]
    found = fitted.explain(customers().iloc[[149]], k=7)
    assert set(found.names[0]) == {
        "age",
        "income",
        "since",
        "country=at",
        "country=de",
        "country=fr",
        "country=it",
    }
    assert found.names[0][0] == "income"
    # In any order, beside others.
    shuffled = customers()[["since", "country", "income", "age"]].assign(name="x")
    np.testing.assert_array_equal(
        fitted.decision_function(shuffled), fitted.decision_function(customers())
    )


def test_an_array_has_missing_values_too():
    numbers = customers()[["age", "income"]]
    expected = quiet(detector(encode=None, dates=False).fit, numbers).decision_scores_
    fitted = quiet(detector(encode=None, dates=False).fit, numbers.to_numpy())
    np.testing.assert_array_equal(fitted.decision_scores_, expected)
    assert not hasattr(fitted, "feature_names_in_")
    assert fitted.n_features_in_ == 2
    assert np.isfinite(fitted.decision_function([[np.nan, 2200.0]])).all()
    with pytest.raises(ValueError, match="X has 3 features"):
        fitted.decision_function([[1.0, 2.0, 3.0]])
    mixed = np.array([[1.0, "a"], [None, "b"], [3.0, "a"], [4.0, "b"], [9.0, "a"]], dtype=object)
    fitted = quiet(qualm.KNN(n_neighbors=2, missing="median", encode="onehot").fit, mixed)
    assert fitted.decision_scores_.shape == (5,)


def test_rows_are_dropped_with_a_word():
    frame = customers()[["age", "income"]]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = qualm.KNN(missing="drop").fit(frame)
    left_out = "20 rows left out because a value is missing: 'age' (20)"
    assert any(str(warning.message) == left_out for warning in said)
    assert fitted.decision_scores_.shape == (180,)
    assert fitted.decision_function(frame.dropna()).shape == (180,)
    with pytest.raises(ValueError, match="20 rows left out .* remove such rows"):
        fitted.decision_function(frame)


def test_unknown_categories_go_by_the_rule():
    frame = customers()
    new = frame.assign(country="xx")
    fitted = quiet(detector().fit, frame)
    with pytest.raises(ValueError, match="row 1, column 'country': found 'xx'"):
        fitted.decision_function(new)
    fitted = quiet(detector(unknown="other").fit, frame)
    with pytest.warns(qualm.QualmWarning, match="200 rows of a category of 'country'"):
        fitted.decision_function(new)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"missing": "mean"}, "missing = mean: expected fail, drop or median"),
        ({"encode": "ordinal"}, "encode = ordinal: expected onehot or frequency"),
        ({"encode": None, "unknown": "other"}, "unknown = other: expected encode to be set"),
        ({"max_categories": 0}, "max_categories = 0: expected a whole number"),
    ],
)
def test_keys_are_checked(keys, said):
    with pytest.raises(ValueError, match=said):
        detector(**keys).fit(customers())


def test_texts_that_stand_for_nothing():
    frame = customers().assign(country=lambda t: t["country"].fillna("n/a"))
    expected = quiet(detector().fit, customers()).decision_scores_
    fitted = quiet(detector(na=["n/a", -1]).fit, frame)
    np.testing.assert_array_equal(fitted.decision_scores_, expected)
    with pytest.raises(TypeError, match="expected a list of texts"):
        detector(na="n/a").fit(frame)


def test_parameters_come_back_from_a_file(tmp_path):
    fitted = quiet(detector(na=["?"]).fit, customers())
    fitted.save(tmp_path / "m.qualm")
    for again in (
        qualm.load(tmp_path / "m.qualm"),
        qualm.load(io.BytesIO((tmp_path / "m.qualm").read_bytes())),
        qualm.from_bytes(fitted.to_bytes()),
    ):
        assert (again.missing, again.na, again.encode, again.dates) == (
            "median",
            ("?",),
            "onehot",
            True,
        )
        np.testing.assert_array_equal(
            again.decision_function(customers()), fitted.decision_function(customers())
        )
    kept = io.BytesIO()
    fitted.save(kept)
    assert kept.getvalue() == fitted.to_bytes()
    with pytest.raises(TypeError, match="expected the bytes"):
        qualm.from_bytes("m.qualm")


def test_the_command_line_makes_the_same_model(tmp_path, command_line):
    frame = customers()
    frame.to_csv(tmp_path / "t.csv", index=False, date_format="%Y-%m-%d")
    fit = ["fit", tmp_path / "t.csv", "-o", tmp_path / "m.qualm", "--detector", "knn", "-q"]
    fit += ["--set", "space=standardise", "--contamination", 0.1]
    fit += ["--missing", "median", "--encode", "onehot", "--dates"]
    subprocess.run([command_line, *map(str, fit)], check=True, capture_output=True)
    theirs = qualm.load(tmp_path / "m.qualm")
    ours = quiet(detector().fit, frame)
    np.testing.assert_array_equal(theirs.decision_function(frame), ours.decision_function(frame))
    assert theirs.provenance_["input_digest"] == ours.provenance_["input_digest"]


def test_selection_bounds_false_discoveries():
    rng = np.random.default_rng(0)
    fitted = qualm.KNN().fit(rng.normal(size=(2000, 3)))
    new = np.vstack([rng.normal(size=(200, 3)), np.full((20, 3), 50.0)])
    chosen = fitted.select(new, fdr=0.1)
    assert chosen.dtype == bool
    assert chosen[200:].all()
    # Benjamini and Hochberg by hand: the largest k with the k-th p-value at most k / n * fdr.
    p_values = np.sort(fitted.p_values(new))
    at_most = p_values <= 0.1 * np.arange(1, len(new) + 1) / len(new)
    assert chosen.sum() == np.flatnonzero(at_most).max() + 1
    with pytest.raises(ValueError, match="above 0 and below 1"):
        fitted.select(new, fdr=1.5)
