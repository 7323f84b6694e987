"""Encoders and views of images."""

import json
import os
import pickle
import subprocess

import numpy as np
import pytest
import qualm

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), np.uint8)


def resnet8(path):
    """A small residual network with random weights, as safetensors."""
    tensors = {}

    def norm(name, width):
        tensors[f"{name}.weight"] = RNG.uniform(0.5, 1.5, width)
        tensors[f"{name}.bias"] = RNG.normal(0, 0.1, width)
        tensors[f"{name}.running_mean"] = RNG.normal(0, 0.1, width)
        tensors[f"{name}.running_var"] = RNG.uniform(0.5, 1.5, width)

    def conv(name, out, width):
        tensors[f"{name}.weight"] = RNG.normal(0, (2 / 9 / width) ** 0.5, (out, width, 3, 3))

    conv("conv1", 16, 3)
    norm("bn1", 16)
    before = 16
    for stage, width in enumerate((16, 32, 64), 1):
        for number, wide in ((1, before), (2, width)):
            conv(f"layer{stage}.0.conv{number}", width, wide)
            norm(f"layer{stage}.0.bn{number}", width)
        before = width
    header, body = {}, b""
    for name, values in tensors.items():
        data = values.astype("<f4").tobytes()
        places = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": places}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "small.safetensors"
    resnet8(path)
    return path


@pytest.fixture(scope="module")
def encoder(encoder_file):
    return qualm.Encoder.open(encoder_file, preprocessing="cifar")


def test_what_an_encoder_says_of_itself(encoder):
    assert encoder.name == "small.safetensors"
    assert encoder.width == 64
    assert "resnet8" in encoder.architecture
    assert len(encoder.digest) == 64
    assert encoder.preprocessing["mean"] == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)
    assert repr(encoder) == f"<Encoder small.safetensors: {encoder.architecture}, 64 columns>"


def test_every_kind_of_image_gives_the_same_vectors(encoder):
    whole = encoder.embed(IMAGES)
    assert whole.shape == (6, 64)
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(encoder.embed(list(IMAGES)), whole)
    np.testing.assert_array_equal(encoder.embed([IMAGES[4]])[0], whole[4])
    np.testing.assert_array_equal(encoder.embed(IMAGES, n_jobs=1), whole)
    opaque = np.dstack([IMAGES[0], np.full((32, 32), 9, np.uint8)])
    np.testing.assert_array_equal(encoder.embed([opaque])[0], whole[0])
    turned = np.asfortranarray(IMAGES[1])
    np.testing.assert_array_equal(encoder.embed([turned])[0], whole[1])
    grey = IMAGES[:, :, :, 0]
    repeated = np.repeat(grey[..., None], 3, axis=3)
    np.testing.assert_array_equal(encoder.embed(grey), encoder.embed(repeated))


def test_images_of_pil(encoder):
    image = pytest.importorskip("PIL.Image")
    pictures = [image.fromarray(pixels) for pixels in IMAGES]
    np.testing.assert_array_equal(encoder.embed(pictures), encoder.embed(IMAGES))
    with pytest.raises(ValueError, match=r"one image .* give a list"):
        encoder.embed(pictures[0])


def test_files_and_the_command_line(encoder, encoder_file, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    vectors = encoder.embed(tmp_path / "images.npy")
    np.testing.assert_array_equal(vectors, encoder.embed(IMAGES))
    program = os.environ.get("QUALM_BIN")
    if not program:
        pytest.skip("QUALM_BIN names no command line")
    pq = pytest.importorskip("pyarrow.parquet")
    arguments = ["--encoder", encoder_file, "--preprocessing", "cifar", "-o", "e.parquet"]
    command = [program, "embed", "images.npy", *arguments]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    table = pq.read_table(tmp_path / "e.parquet")
    embedded = np.stack(table["embedding"].to_numpy())
    np.testing.assert_array_equal(embedded, vectors)
    assert json.loads(table.schema.metadata[b"qualm.encoder"])["digest"] == encoder.digest


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (IMAGES / 255.0, TypeError, "image 1 is of float64, expected uint8"),
        (IMAGES[0], ValueError, r"one image of shape \(32, 32, 3\)"),
        (IMAGES.transpose(0, 3, 1, 2), ValueError, r"shape \(3, 32, 32\), expected"),
        ([IMAGES[0], IMAGES[1][:0]], ValueError, r"image 2 has shape \(0, 32, 3\)"),
        ([], ValueError, "no image"),
    ],
)
def test_what_is_no_image_is_refused(encoder, images, error, message):
    with pytest.raises(error, match=message):
        encoder.embed(images)


def test_files_that_are_no_encoders(encoder_file, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.onnx"):
        qualm.Encoder.open(tmp_path / "missing.onnx")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match="text.safetensors"):
        qualm.Encoder.open(tmp_path / "text.safetensors", preprocessing="cifar")
    with pytest.raises(ValueError, match="preprocessing"):
        qualm.Encoder.open(encoder_file)
    with pytest.raises(TypeError, match="Encoder.open"):
        qualm.Encoder()
    assert isinstance(pickle.dumps(qualm.Encoder), bytes)


def test_views_are_functions_of_seed_name_and_number():
    both = qualm.vision.views(IMAGES, n=3)
    assert both.shape == (6, 3, 32, 32, 3)
    assert both.min() >= 0
    assert both.max() <= 1
    np.testing.assert_array_equal(qualm.vision.views(IMAGES, n=1, first=2)[:, 0], both[:, 2])
    np.testing.assert_array_equal(qualm.vision.views([IMAGES[4]], n=3, ids=[4])[0], both[4])
    np.testing.assert_array_equal(qualm.vision.views(IMAGES, n=3, n_jobs=1), both)
    assert not np.array_equal(qualm.vision.views(IMAGES, n=3, random_state=1), both)
    named = qualm.vision.views(IMAGES[[0, 0]], n=1, ids=["a", "b"])
    assert not np.array_equal(named[0], named[1])


def test_a_view_without_any_change_is_the_image():
    plain = {"crop_area": (1, 1), "crop_aspect": (1, 1), "flip": 0, "jitter": 0, "grey": 0}
    views = qualm.vision.views(IMAGES, n=1, size=32, **plain)
    np.testing.assert_allclose(views[:, 0], IMAGES / 255.0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n = 0: expected a whole number, at least 1"),
        ({"ids": ["a"]}, ValueError, "1 ids for 6 images"),
        ({"flip": 2}, ValueError, "flip = 2"),
        ({"flop": 1}, ValueError, "flop"),
        ({"crop_area": "wide"}, TypeError, "crop_area"),
    ],
)
def test_views_that_cannot_be_drawn_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        qualm.vision.views(IMAGES, **arguments)
