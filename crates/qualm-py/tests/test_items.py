"""Rows that are views of one item."""

import numpy as np
import pytest
import qualm

ROWS = np.random.default_rng(0).normal(size=(240, 4)).astype(np.float32)


def test_items_are_those_of_the_command_line_and_the_library():
    named = [f"img{i // 3}" for i in range(240)]
    numbered = np.arange(240) // 3
    by_name = qualm.DUM().fit(ROWS, items=named)
    by_number = qualm.DUM().fit(ROWS, items=numbered)
    assert by_name.provenance_["n_items"] == 80
    np.testing.assert_array_equal(by_name.decision_scores_, by_number.decision_scores_)
    plain = qualm.DUM().fit(ROWS)
    assert "n_items" not in plain.provenance_
    assert not np.array_equal(plain.decision_scores_, by_name.decision_scores_)


def test_items_seen_once_are_rows():
    spec = {"min_steps": 50, "max_steps": 50, "batch_size": 64}
    once = qualm.DUM("mlp", **spec).fit(ROWS, items=np.arange(240))
    plain = qualm.DUM("mlp", **spec).fit(ROWS)
    np.testing.assert_array_equal(once.decision_scores_, plain.decision_scores_)


def test_detectors_that_know_no_views_warn():
    with pytest.warns(qualm.QualmWarning, match="views of 120 items: knn takes"):
        qualm.KNN().fit(ROWS, items=np.arange(240) // 2)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (np.arange(239), r"shape \(239,\), expected \(240,\)"),
        (np.zeros((240, 2)), r"shape \(240, 2\)"),
        (["a"] * 7 + [None] + ["b"] * 232, "no value in row 8"),
        (np.r_[np.arange(239.0), np.nan], "no value in row 240"),
    ],
)
def test_items_that_name_no_item_are_refused(items, message):
    with pytest.raises(ValueError, match=message):
        qualm.DUM().fit(ROWS, items=items)
