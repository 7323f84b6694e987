"""One rule for the columns of all input: which are features, and what is said of the others."""

import datetime
import decimal
import re
import subprocess

import numpy as np
import pytest
import qualm

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

convert_each = pytest.mark.parametrize(
    "convert", [lambda table: table.to_pandas(), polars.from_arrow, lambda table: table]
)

UNUSED = ["city", "class", "when", "day", "took", "blob", "pair", "none"]


@pytest.fixture(autouse=True)
def no_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


@pytest.fixture
def table():
    """Sixty rows of four features, and a column of every kind that is none."""
    rng = np.random.default_rng(0)
    whole = rng.integers(-9, 9, 60).tolist()
    start = datetime.datetime(2024, 2, 29, 12)
    return pyarrow.table(
        {
            "real": rng.normal(size=60),
            "city": ["Bern", "Oslo", "1.5"] * 20,
            "whole": whole,
            "class": pyarrow.array(["a", "b", "c"] * 20).dictionary_encode(),
            "when": [start + datetime.timedelta(hours=i) for i in range(60)],
            "day": [start.date()] * 60,
            "took": [datetime.timedelta(seconds=i) for i in range(60)],
            "truth": [i > 0 for i in whole],
            "blob": [b"\x00\xff"] * 60,
            "pair": [{"x": i, "y": 0.5} for i in range(60)],
            "money": [decimal.Decimal(i) / 4 for i in range(60)],
            "none": pyarrow.nulls(60),
        }
    )


@pytest.fixture
def vectors(rows):
    """Vectors of five, and columns beside them."""
    flat = pyarrow.array(rows.ravel())
    return pyarrow.table(
        {
            "id": np.arange(200),
            "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, 5),
            "text": ["words"] * 200,
        }
    )


def pandas_frames(table):
    """A table as pandas holds it: with NumPy's types, its own, and Arrow's."""
    frame = table.to_pandas()
    yield frame
    yield frame.convert_dtypes()
    yield table.to_pandas(types_mapper=pandas.ArrowDtype)


def fitted(X, message):
    with pytest.warns(qualm.QualmWarning, match=message):
        return qualm.KNN().fit(X)


def test_the_same_columns_from_pandas_polars_and_arrow(table):
    message = f"^not used: {', '.join(map(repr, UNUSED))} \\(not numeric\\)$"
    models = [fitted(frame, message) for frame in pandas_frames(table)]
    models.append(fitted(table, message))
    models.append(fitted(table.to_batches()[0], message))
    models.append(
        fitted(polars.from_arrow(table.drop_columns("pair")), message.replace(", 'pair'", ""))
    )
    for model in models:
        assert model.feature_names_in_.tolist() == ["real", "whole", "truth", "money"]
        assert model._model.to_bytes() == models[0]._model.to_bytes()


def test_the_same_vectors_from_pandas_polars_and_arrow(vectors, rows):
    message = "^not used: 'id', 'text' \\(the vectors of 'embedding' are the input\\)$"
    frames = [*pandas_frames(vectors), vectors, polars.from_arrow(vectors)]
    models = [fitted(frame, message) for frame in frames]
    lists = vectors.to_pandas()
    lists["embedding"] = [vector.tolist() for vector in lists["embedding"]]
    models.append(fitted(lists, message))
    expected = qualm.KNN().fit(rows).decision_function(rows)
    for model in models:
        assert model._model.to_bytes() == models[0]._model.to_bytes()
    for frame in frames:
        assert np.array_equal(models[0].decision_function(frame), expected)


def test_the_same_model_from_files(table, vectors, tmp_path, command_line):
    parquet.write_table(table, tmp_path / "table.parquet")
    # As text, structs and bytes are words; empty fields would be missing numbers.
    table = table.drop_columns("none")
    table.to_pandas().to_csv(tmp_path / "table.csv", index=False)
    parquet.write_table(vectors, tmp_path / "vectors.parquet")
    for name, frame in (
        ("table.parquet", parquet.read_table(tmp_path / "table.parquet").to_pandas()),
        ("table.csv", table),
        ("vectors.parquet", vectors.to_pandas()),
    ):
        fit = ["fit", name, "-o", "theirs.qualm", "--detector", "knn", "--contamination", "0.1"]
        done = subprocess.run(
            [command_line, *fit], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        noted = re.search("not used: (.*)", done.stderr)[1].replace("'", "").split(" (")[0]
        ours = fitted(
            frame, "not used: " + ", ".join(f"'{column}'" for column in noted.split(", "))
        )
        assert ours._model.to_bytes() == (tmp_path / "theirs.qualm").read_bytes()


@convert_each
def test_extra_columns_are_ignored_when_scoring(convert, table):
    features = table.select(["real", "whole"])
    detector = qualm.KNN().fit(features)
    more = convert(table.drop_columns("pair"))
    assert np.array_equal(detector.decision_function(more), detector.decision_function(features))
    detector.calibrate(more)


@convert_each
def test_input_without_a_feature_is_refused_by_name(convert, table):
    with pytest.raises(ValueError, match="no numeric column .*'city', 'when'"):
        qualm.KNN().fit(convert(table.select(["city", "when"])))


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
@convert_each
def test_vectors_that_cannot_be_used_are_named(convert, vectors, rows):
    def refused(message, **columns):
        table = vectors
        for name, values in columns.items():
            place = table.column_names.index(name) if name in table.column_names else 0
            table = (table.set_column if place else table.add_column)(place, name, [values])
        with pytest.raises(ValueError, match=message):
            qualm.KNN().fit(convert(table))

    lists = rows.tolist()
    refused("several list columns, 'more', 'embedding'; select the one to use", more=lists)
    ragged = [*lists[:6], [1.0], *lists[7:]]
    refused("row 7, column 'embedding': found a vector of 1 values, expected 5", embedding=ragged)
    missing = [*lists[:6], None, *lists[7:]]
    refused("row 7, column 'embedding': missing value", embedding=missing)
