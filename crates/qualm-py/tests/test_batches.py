"""Arrow batches in, Arrow batches out."""

import numpy as np
import pytest
import qualm

pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture
def table(rows):
    columns = {name: rows[:, i] for i, name in enumerate("abcde")}
    return pyarrow.table({"id": [f"row {i}" for i in range(200)], **columns})


def test_batches_are_scored_with_their_ids(table, rows, tmp_path):
    detector = qualm.KNN().fit(table.drop_columns("id"))
    detector.save(tmp_path / "model.qualm")
    for model in (detector, tmp_path / "model.qualm", str(tmp_path / "model.qualm")):
        batches = qualm.score_batches(model, iter(table.to_batches(64)), ids=["id"])
        scored = pyarrow.Table.from_batches(batches)
        assert scored.column_names == ["id", "score", "p_value", "outlier"]
        assert scored["id"].to_pylist() == table["id"].to_pylist()
        assert np.array_equal(scored["score"], detector.decision_function(table))
        assert np.array_equal(scored["p_value"], detector.p_values(table))
        assert np.array_equal(scored["outlier"], detector.predict(table))


def test_one_batch_at_a_time(table):
    detector = qualm.KNN().fit(table.drop_columns("id"))
    taken = []

    def batches():
        for batch in table.to_batches(50):
            taken.append(batch.num_rows)
            yield batch

    stream = qualm.score_batches(detector, batches())
    assert taken == []
    assert next(stream).column_names == ["score", "p_value", "outlier"]
    assert taken == [50]


def test_empty_batches_are_scored(table):
    detector = qualm.KNN().fit(table.drop_columns("id"))
    empty = table.slice(0, 0).combine_chunks().to_batches() or [
        pyarrow.RecordBatch.from_pylist([], schema=table.schema)
    ]
    full = table.to_batches()[0]
    (nothing, something) = qualm.score_batches(detector, [empty[0], full], ids=["id"])
    assert nothing.num_rows == 0
    assert something.num_rows == 200
    assert nothing.schema.names == something.schema.names
    assert nothing.schema.types == something.schema.types


def test_errors_name_the_batch(table):
    detector = qualm.KNN().fit(table.drop_columns("id"))
    bad = table.set_column(3, "c", pyarrow.array([None] + [0.5] * 199))
    with pytest.raises(ValueError, match="batch 2: input, row 1, column 'c': missing value"):
        list(qualm.score_batches(detector, [table.to_batches()[0], bad.to_batches()[0]]))
    with pytest.raises(ValueError, match="'id'"):
        list(qualm.score_batches(detector, table.drop_columns("id").to_batches(), ids=["id"]))
    twice = table.rename_columns(["score", *"abcde"])
    with pytest.raises(ValueError, match="'score' would stand twice"):
        list(qualm.score_batches(detector, twice.to_batches(), ids=["score"]))
    with pytest.raises(qualm.NotFittedError):
        qualm.score_batches(qualm.KNN(), [])


def test_a_table_is_its_batches(table):
    detector = qualm.KNN().fit(table.drop_columns("id"))
    expected = detector.decision_function(table)
    stream = pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches(50))
    polars = pytest.importorskip("polars")
    for same in (table, stream, table.to_batches()[0], polars.from_arrow(table)):
        scored = pyarrow.Table.from_batches(qualm.score_batches(detector, same, ids=["id"]))
        assert np.array_equal(scored["score"], expected)
