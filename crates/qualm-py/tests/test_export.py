"""The rows of a report for other programs, and its map by UMAP, beside the command line's."""

import json
import os
import subprocess

import numpy as np
import pytest
import qualm

N = 60
RNG = np.random.default_rng(5)


def bitmap(path, light):
    """An image of 8 x 8 pixels of one colour."""
    header = [54 + 192, 0, 54, 40, 8, 8]
    head = b"BM" + b"".join(number.to_bytes(4, "little") for number in header)
    head += b"\x01\x00\x18\x00" + bytes(24)
    path.write_bytes(head + bytes([light]) * 192)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    (folder / "photos").mkdir()
    for number in range(N):
        bitmap(folder / "photos" / f"{number}.bmp", 4 * number)
    return folder


@pytest.fixture(scope="module")
def frame():
    pandas = pytest.importorskip("pandas")
    values = RNG.normal(size=(N, 2)).astype(np.float32)
    names = [f"{number}.bmp" for number in range(N)]
    return pandas.DataFrame({"path": names, "a": values[:, 0], "b": values[:, 1], "x.y": range(N)})


@pytest.fixture(scope="module")
def detector(frame):
    return qualm.KNN(n_neighbors=3).fit(frame[["a", "b"]])


def test_files_are_those_of_the_command_line(detector, frame, photos, command_line):
    parquet = pytest.importorskip("pyarrow.parquet")
    frame.to_parquet(photos / "t.parquet")
    detector.save(photos / "m.qualm")
    arguments = "report m.qualm t.parquet --images photos --map umap -o r.html"
    arguments += " --atlas a.parquet --fiftyone f.json"
    subprocess.run([command_line, *arguments.split()], check=True, cwd=photos)
    names = {"model_name": "m.qualm", "data_name": "t.parquet"}
    report = detector.report(frame, map="umap", **names)
    assert report.html == (photos / "r.html").read_text()
    files = [photos / "photos" / name for name in frame["path"]]
    for images in (photos / "photos", files):
        with pytest.warns(qualm.QualmWarning, match="column 'x.y' of the rows is called 'x_y'"):
            report.export(
                atlas=photos / "b.parquet", fiftyone=photos / "g.json", images=images, force=True
            )
        assert parquet.read_table(photos / "b.parquet").equals(
            parquet.read_table(photos / "a.parquet")
        )
        assert (photos / "g.json").read_text() == (photos / "f.json").read_text()
    written = json.loads((photos / "g.json").read_text())
    assert [os.path.basename(s["filepath"]) for s in written["samples"]] == list(frame["path"])


def test_a_map_by_umap_depends_on_its_seed_alone(detector, frame):
    one = detector.report(frame, map="umap")
    assert "laid out by UMAP" in one.html
    assert detector.set_params(n_jobs=1).report(frame, map="umap").html == one.html
    assert detector.report(frame, map="umap", seed=3).html != one.html
    assert detector.report(frame).html != one.html


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({}, ValueError, "give atlas or fiftyone"),
        ({"atlas": "a.csv"}, ValueError, r"a.csv: expected a name that ends in .parquet"),
        ({"fiftyone": "f.json"}, ValueError, "give images"),
        ({"atlas": "a.parquet", "images": ["a.png"]}, ValueError, "1 images, expected 60"),
        ({"atlas": "a.parquet", "images": ["a.png", 7]}, TypeError, "number 2: found a int"),
        ({"atlas": "a.parquet", "images": "nowhere"}, FileNotFoundError, "nowhere"),
    ],
)
def test_files_that_are_refused(detector, frame, tmp_path, monkeypatch, asked, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        detector.report(frame).export(**asked)
    assert os.listdir(tmp_path) == []


def test_what_has_no_map_has_no_files(detector, frame, tmp_path):
    with pytest.raises(ValueError, match="places on a map: expected three or more rows.*no rows"):
        detector.report().export(atlas=tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="found 2 rows"):
        detector.report(frame[:2]).export(atlas=tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="map = 'tsne': expected 'pca' or 'umap'"):
        detector.report(frame, map="tsne")


def test_a_file_of_somebody_else_is_kept(detector, frame, tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="force=True"):
        detector.report(frame).export(atlas=path)
    assert path.read_bytes() == b"mine"
