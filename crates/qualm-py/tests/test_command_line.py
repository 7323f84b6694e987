"""The command line and Python: the same models, to the byte."""

import json
import os
import subprocess

import numpy as np
import pytest
import qualm
from conftest import CLASSES, TRAINED, quick


def run(binary, *arguments):
    done = subprocess.run(
        [binary, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return done.stdout


def settings(detector):
    """The parameters as the command line takes them."""
    for name, value in detector.get_params().items():
        if name == "preset":
            yield from ("--preset", value)
        elif value is not None and name not in (
            "contamination",
            "random_state",
            "n_jobs",
            "verbose",
            "labels",
            "missing",
            "na",
            "encode",
            "unknown",
            "max_categories",
            "dates",
        ):
            yield from ("--set", f"{name}={json.dumps(value)}")


@pytest.mark.parametrize("cls", CLASSES)
def test_the_same_file_and_the_same_scores(cls, rows, tmp_path, command_line, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    np.save(tmp_path / "rows.npy", rows)
    detector = quick(cls, random_state=11)
    fit = ["fit", tmp_path / "rows.npy", "-o", tmp_path / "theirs.qualm", "--seed", 11]
    fit += ["--detector", cls._detector, "--contamination", 0.1, "-q"]
    run(command_line, *fit, *settings(detector))
    detector.fit(rows).save(tmp_path / "ours.qualm")
    ours, theirs = (tmp_path / f"{who}.qualm" for who in ("ours", "theirs"))
    assert ours.read_bytes() == theirs.read_bytes()

    printed = run(command_line, "score", ours, tmp_path / "rows.npy", "--json", "-q")
    scores = [row["score"] for row in json.loads(printed)["rows"]]
    assert np.array_equal(scores, qualm.load(theirs).decision_function(rows))


@pytest.mark.parametrize("keys", [{}, {"preset": "embedding"}, {"metric": "euclidean"}, TRAINED])
@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet"])
def test_one_default_for_every_kind_of_input(
    name, keys, rows, tmp_path, command_line, monkeypatch
):
    polars = pytest.importorskip("polars")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    table = polars.DataFrame(rows, schema=list("abcde"))
    np.save(tmp_path / "rows.npy", rows)
    table.write_parquet(tmp_path / "rows.parquet")
    detector = qualm.DUM(**keys)
    fit = ["fit", tmp_path / name, "-o", tmp_path / "theirs.qualm", "--contamination", 0.1]
    run(command_line, *fit, *settings(detector))
    detector.fit(rows if name == "rows.npy" else table)
    assert detector._model.to_bytes() == (tmp_path / "theirs.qualm").read_bytes()
    assert np.array_equal(detector.decision_scores_, qualm.DUM(**keys).fit(rows).decision_scores_)


@pytest.mark.parametrize("cls", [qualm.KNN, qualm.LOF, qualm.ABOD, qualm.SP])
def test_few_rows_lower_the_same(cls, rows, tmp_path, command_line, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    np.save(tmp_path / "few.npy", rows[:5])
    fit = ["fit", tmp_path / "few.npy", "-o", tmp_path / "theirs.qualm", "--contamination", 0.1]
    run(command_line, *fit, "--detector", cls._detector)
    with pytest.warns(qualm.QualmWarning, match="is used"):
        ours = cls().fit(rows[:5])
    assert ours._model.to_bytes() == (tmp_path / "theirs.qualm").read_bytes()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_names_go_both_ways(rows, tmp_path, command_line):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    qualm.KNN().fit(frame).save(tmp_path / "ours.qualm")
    frame[list("edcba")].to_csv(tmp_path / "mixed.csv", index=False)
    run(command_line, "score", tmp_path / "ours.qualm", tmp_path / "mixed.csv")
    run(
        command_line,
        "fit",
        tmp_path / "rows.csv",
        "-o",
        tmp_path / "theirs.qualm",
        "-q",
    )
    theirs = qualm.load(tmp_path / "theirs.qualm")
    assert theirs.feature_names_in_.tolist() == list("abcde")
    expected = theirs.decision_function(rows)
    assert np.array_equal(theirs.decision_function(frame[list("edcba")]), expected)


def test_the_version_is_the_same(command_line):
    assert run(command_line, "--version").split()[1] == qualm.__version__


def test_files_that_are_none(rows, tmp_path):
    (tmp_path / "empty.qualm").write_bytes(b"")
    (tmp_path / "words.qualm").write_bytes(b"\x80\x04not a model" * 50)
    for name in ("empty", "words"):
        with pytest.raises(ValueError, match=f"{name}.qualm"):
            qualm.load(tmp_path / f"{name}.qualm")
    with pytest.raises(FileNotFoundError, match="nowhere.qualm"):
        qualm.load(tmp_path / "nowhere.qualm")
    detector = qualm.SP().fit(rows)
    with pytest.raises(IsADirectoryError):
        detector.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        detector.save(tmp_path / "no" / "folder.qualm")
    assert sorted(os.listdir(tmp_path)) == ["empty.qualm", "words.qualm"]


def test_damage_is_found_wherever_it_is(rows, tmp_path):
    whole = qualm.SP().fit(rows)._model.to_bytes()
    for place in range(0, len(whole), 97):
        broken = bytearray(whole)
        broken[place] ^= 1
        (tmp_path / "broken.qualm").write_bytes(broken)
        with pytest.raises(ValueError):
            qualm.load(tmp_path / "broken.qualm")
