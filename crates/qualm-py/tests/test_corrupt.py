"""Damaged images: shapes, seeds, the command line, and what is refused."""

import io
import json
import subprocess

import numpy as np
import pytest
import qualm


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(40), np.arange(36))[None, :, :, None] * 3
    return np.clip(smooth + rng.integers(0, 30, (3, 40, 36, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", qualm.corruptions())
def test_every_corruption_damages_and_repeats(images, kind):
    damaged = qualm.corrupt(images, kind, severity=5)
    assert damaged.shape == images.shape
    assert damaged.dtype == np.uint8
    assert np.abs(damaged.astype(int) - images).mean() > 0.5
    np.testing.assert_array_equal(damaged, qualm.corrupt(images, kind, severity=5, n_jobs=1))


def test_an_image_depends_on_its_name_and_the_seed_alone(images):
    all_three = qualm.corrupt(images, "snow", seed=4)
    np.testing.assert_array_equal(
        all_three[2], qualm.corrupt(images[2:], "snow", seed=4, ids=[2])[0]
    )
    np.testing.assert_array_equal(all_three[0], qualm.corrupt(images[0], "snow", seed=4))
    assert (all_three != qualm.corrupt(images, "snow", seed=5)).any()
    swapped = qualm.corrupt(images, "snow", seed=4, ids=["b", "a", "c"])
    assert (all_three != swapped).any()


def test_grey_images_stay_grey(images):
    grey = np.ascontiguousarray(images[..., 0])
    assert qualm.corrupt(grey, "fog").shape == grey.shape


def test_views_of_arrays_that_are_not_contiguous(images):
    turned = images.transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(
        qualm.corrupt(turned, "fog"), qualm.corrupt(np.ascontiguousarray(turned), "fog")
    )


def test_the_command_line_gives_the_same(images, command_line, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    image = pytest.importorskip("PIL.Image")
    np.save(tmp_path / "images.npy", images)
    command = [command_line, "corrupt", "images.npy", "--kind", "glass_blur,fog"]
    command += ["--severity", "2,4", "-o", "damaged.parquet", "--seed", "9", "--json"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert json.loads(done.stdout)["n_damaged"] == 12
    rows = pq.read_table(tmp_path / "damaged.parquet").to_pylist()
    assert len(rows) == 12
    for row in rows:
        picture = np.array(image.open(io.BytesIO(row["image"]["bytes"])))
        expected = qualm.corrupt(images, row["corruption"], severity=row["severity"], seed=9)
        np.testing.assert_array_equal(picture, expected[int(row["id"])])


def test_names_of_groups():
    assert len(qualm.corruptions("common")) == 15
    assert len(qualm.corruptions()) == 34
    with pytest.raises(ValueError, match="weather"):
        qualm.corruptions("whether")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "fogg"}, ValueError, "did you mean 'fog'"),
        ({"severity": 6}, ValueError, "1 to 5"),
        ({"severity": 0}, ValueError, "1 to 5"),
        ({"severity": 2.5}, TypeError, "1 to 5"),
        ({"params": "large"}, ValueError, "imagenet"),
        ({"ids": [1]}, ValueError, "1 ids for 3 images"),
        ({"images": np.zeros((2, 1, 1, 3), np.uint8)}, ValueError, "1 x 1"),
        ({"images": np.zeros((2, 40, 40, 3))}, TypeError, "float64"),
        ({"images": np.zeros((2, 40, 40, 2), np.uint8)}, ValueError, "shape"),
    ],
)
def test_what_cannot_be_damaged_is_refused(images, change, error, message):
    arguments = {"images": images, "kind": "fog", "severity": 3} | change
    with pytest.raises(error, match=message):
        qualm.corrupt(arguments.pop("images"), arguments.pop("kind"), **arguments)
