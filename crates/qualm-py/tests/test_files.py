"""Files in, scored files out."""

import os
import subprocess

import numpy as np
import pytest
import qualm

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


@pytest.fixture
def frame(rows):
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    frame.insert(0, "name", [f"row {i}" for i in range(len(frame))])
    return frame


@pytest.fixture
def detector(frame):
    return qualm.KNN().fit(frame, id="name")


def test_scores_are_those_of_the_rows(detector, frame, tmp_path):
    frame.to_parquet(tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    report = qualm.score_file(detector, tmp_path / "in.parquet", out)
    scored = pandas.read_parquet(out)
    assert list(scored) == ["name", "score", "p_value", "outlier"]
    assert scored["name"].tolist() == frame["name"].tolist()
    assert np.array_equal(scored["score"], detector.decision_function(frame))
    assert np.array_equal(scored["p_value"], detector.p_values(frame))
    assert (report["n"], report["n_outliers"]) == (200, int(scored["outlier"].sum()))
    assert report["threshold"] == detector.threshold_


def test_the_file_is_that_of_the_command_line(detector, frame, tmp_path, command_line):
    frame.to_csv(tmp_path / "in.csv.gz", index=False)
    detector.save(tmp_path / "m.qualm")
    command = ["score", "m.qualm", "in.csv.gz", "--keep", "all", "--explain", "2"]
    subprocess.run(
        [command_line, *command, "-o", "theirs.csv"], cwd=tmp_path, check=True, capture_output=True
    )
    for model in (detector, tmp_path / "m.qualm"):
        ours = tmp_path / "ours.csv"
        qualm.score_file(model, str(tmp_path / "in.csv.gz"), ours, keep="all", explain=2)
        assert ours.read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_several_files_are_one_table(detector, frame, tmp_path):
    parts = [frame[:70], frame[70:130], frame[130:]]
    for i, part in enumerate(parts):
        part.to_csv(tmp_path / f"part-{i}.csv", index=False)
    files = [tmp_path / f"part-{i}.csv" for i in range(3)]
    expected = detector.decision_function(pandas.concat(map(pandas.read_csv, files)))
    for inputs in (files, tmp_path / "part-*.csv"):
        report = qualm.score_file(detector, inputs, tmp_path / "out.tsv", id="name")
        assert report["n"] == 200
        scored = pandas.read_csv(tmp_path / "out.tsv", sep="\t")
        assert np.array_equal(scored["score"], expected)


def test_a_bad_row_is_named_and_nothing_is_written(detector, frame, tmp_path):
    frame.loc[150, "c"] = np.nan
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / "out.csv"
    out.write_text("of before")
    with pytest.raises(ValueError, match=r"in\.csv, row 151, column 'c'"):
        qualm.score_file(detector, tmp_path / "in.csv", out)
    assert out.read_text() == "of before"
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_what_cannot_be_done_is_refused(detector, frame, tmp_path):
    frame.to_csv(tmp_path / "in.csv", index=False)
    same = tmp_path / "in.csv"
    for path, out, kind, message in [
        (same, same, ValueError, "is read and cannot be written"),
        ([], tmp_path / "o.csv", ValueError, "path is empty"),
        (tmp_path, tmp_path / "o.csv", ValueError, "lies in the folder that is read"),
        (tmp_path / "none.csv", tmp_path / "o.csv", FileNotFoundError, "none.csv"),
        (same, tmp_path / "o.txt", ValueError, r"o\.txt"),
        (same, tmp_path / "no" / "o.csv", FileNotFoundError, "no"),
    ]:
        with pytest.raises(kind, match=message):
            qualm.score_file(detector, path, out)
    with pytest.raises(ValueError, match="column 'nme'"):
        qualm.score_file(detector, same, tmp_path / "o.csv", id="nme")
    with pytest.raises(qualm.NotFittedError):
        qualm.score_file(qualm.KNN(), same, tmp_path / "o.csv")
    assert os.listdir(tmp_path) == ["in.csv"]


def test_progress_is_shown(detector, frame, tmp_path, capsys):
    frame.to_csv(tmp_path / "in.csv", index=False)
    qualm.score_file(detector, tmp_path / "in.csv", tmp_path / "o.csv", verbose=1)
    assert "KNN: scoring" in capsys.readouterr().err
