"""Rows, and detectors that are quick to fit."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
import qualm

#: Parameters that make a fit quick, and possible on twenty rows.
QUICK = {
    qualm.DUM: {},
    qualm.IForest: {"n_estimators": 20, "max_samples": 16},
    qualm.LOF: {"n_neighbors": 5},
    qualm.OCSVM: {},
    qualm.SP: {"subset_size": 3},
    qualm.EllipticEnvelope: {},
    qualm.KNN: {},
    qualm.ABOD: {"n_neighbors": 5},
    qualm.AutoEncoder: {"hidden": (8,), "epochs": 3},
    qualm.LeSiNN: {"max_samples": 4},
    qualm.REPEN: {"max_samples": 4, "epochs": 2},
    qualm.ECOD: {},
}
CLASSES = list(QUICK)

#: What makes DUM a multilayer perceptron that is quick to train.
TRAINED = {
    "min_steps": 60,
    "epochs": 1,
    "fourier_features": 64,
    "hidden": 16,
    "batch_size": 16,
}


def quick(cls, **parameters):
    """A detector that is quick to fit."""
    return cls(**{**QUICK[cls], **parameters})


@pytest.fixture(autouse=True)
def messages_name_no_flags(monkeypatch):
    """What is raised in Python must not tell to use the command line."""
    original = pytest.raises

    @contextlib.contextmanager
    def raises(*expected, **keywords):
        with original(*expected, **keywords) as caught:
            yield caught
        message = str(caught.value)
        for word in ("--", "cargo", "qualm info", "usize", "u64", "f32,", "Utf8", "invalid type"):
            assert word not in message

    monkeypatch.setattr(pytest, "raises", raises)


@pytest.fixture
def rows():
    """Two hundred rows of five columns, the first of them far off."""
    rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    rows[0] += 6
    return rows


@pytest.fixture
def command_line():
    """The command line, built beside the wheel."""
    path = os.environ.get("QUALM_BIN")
    if not path:
        pytest.skip("QUALM_BIN does not name the qualm binary")
    return str(Path(path).resolve(strict=True))
