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

#: What is said of them.
HELD = [
    "'city' (text such as 'Bern' in row 1)",
    "'class' (text such as 'a' in row 1)",
    "'when' (date and time (microseconds))",
    "'day' (date)",
    "'took' (duration (microseconds))",
    "'blob' (bytes)",
    "'pair' (records of several fields)",
    "'none' (nothing but nulls)",
]
NOTE = f"8 of 12 columns not used: {', '.join(HELD)}; convert those that are meant as features"


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
    frames = [*pandas_frames(table), table, table.to_batches()[0]]
    models = [fitted(frame, "8 of 12 columns not used") for frame in frames]
    for model in models:
        assert model.warnings_ == [NOTE]
    # polars has no null type that Arrow's interface could carry beside records.
    models.append(fitted(polars.from_arrow(table.drop_columns(["pair", "none"])), "6 of 10"))
    assert [said for said in HELD if said.split()[0] not in ("'pair'", "'none'")] == re.findall(
        r"'\w+' \(.*?\)+", models[-1].warnings_[0]
    )
    for model in models:
        assert model.feature_names_in_.tolist() == ["real", "whole", "truth", "money"]
        assert model._model.to_bytes() == models[0]._model.to_bytes()


def test_the_same_vectors_from_pandas_polars_and_arrow(vectors, rows):
    beside = r"\(the vectors of 'embedding' are the input\)"
    message = f"^2 of 3 columns not used: 'id' {beside}, 'text' {beside}$"
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
        noted = re.search(r"\d+ of \d+ columns not used: .*", done.stderr)[0]
        ours = fitted(frame, "columns not used")
        if name != "table.csv":
            assert noted.partition(" (correct")[0] == ours.warnings_[0].partition("; convert")[0]
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
    with pytest.raises(
        ValueError, match="no numeric column .*'city' .text .*'when' .date and time"
    ):
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
    refused("row 7, column 'embedding': found a vector of 1 value, expected 5", embedding=ragged)
    missing = [*lists[:6], None, *lists[7:]]
    refused("row 7, column 'embedding': missing value", embedding=missing)


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
def test_columns_that_are_likely_no_data_are_named_alike(tmp_path, command_line):
    rng = np.random.default_rng(1)
    table = pyarrow.table(
        {
            "customer": np.arange(1000, 1200) * 7,
            "x": rng.normal(size=200),
            "Target": rng.integers(0, 2, 200),
            "same": np.ones(200),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    table.to_pandas().to_csv(tmp_path / "t.csv", index=False)
    notes = [
        "'Target' has the name of a label and is used as a feature",
        "'customer' looks like an id (whole numbers, none of them twice) and is used as a feature",
        "'same' has one value in all rows and tells nothing apart",
    ]
    # Frames of one type as well.
    floats = table.to_pandas().astype(np.float64)
    for frame in [*pandas_frames(table), floats, table, polars.from_arrow(table)]:
        model = fitted(frame, "looks like an id")
        assert [said.partition(";")[0] for said in model.warnings_] == notes
    for name in ["t.csv", "t.parquet"]:
        fit = ["fit", name, "-o", "m.qualm", "--detector", "knn", "--contamination", "0.1"]
        done = subprocess.run(
            [command_line, *fit], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert all(note in done.stderr for note in notes)
        assert (tmp_path / "m.qualm").read_bytes() == model._model.to_bytes()


def test_vectors_in_text_are_read_alike(rows, tmp_path, command_line):
    lists = [vector.astype(float).tolist() for vector in rows]
    frame = pandas.DataFrame({"id": np.arange(200), "embedding": lists})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = pandas.read_csv(tmp_path / "t.csv")
    expected = fitted(frame, "the vectors of 'embedding' are the input")
    for same in [text, polars.from_pandas(text), pyarrow.Table.from_pandas(text)]:
        model = fitted(same, "the vectors of 'embedding' are the input")
        assert model._model.to_bytes() == expected._model.to_bytes()
        assert np.array_equal(model.decision_function(same), expected.decision_function(frame))
    fit = ["fit", "t.csv", "-o", "m.qualm", "--detector", "knn", "--contamination", "0.1"]
    subprocess.run([command_line, *fit], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "m.qualm").read_bytes() == expected._model.to_bytes()
