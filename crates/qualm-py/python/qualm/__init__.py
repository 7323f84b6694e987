"""How much to trust each embedding.

Fit once, without labels, on any vectors or table; from then on each new row gets an uncertainty,
a conformal p-value and a decision. **Higher score = more anomalous**, everywhere.

>>> import numpy as np, qualm
>>> rows = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
>>> rows[3] += 5
>>> detector = qualm.DUM().fit(rows)
>>> int(detector.decision_function(rows).argmax())
3
>>> bool(detector.p_values(rows)[3] < 0.01)
True

All twelve detectors have PyOD's methods and scikit-learn's protocol: see :class:`Detector`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import monitor, ood, vision
from ._base import Detector
from ._baselines import ECOD, OCSVM, REPEN, AutoEncoder, EllipticEnvelope, IForest
from ._batches import score_batches
from ._compare import compare
from ._comparison import DetectorComparison
from ._core import __version__
from ._corrupt import corrupt, corruptions
from ._dum import DUM
from ._encoder import Encoder
from ._errors import QualmWarning
from ._files import score_file
from ._loading import from_bytes, load
from ._monitor import Monitor, MonitorResult
from ._neighbours import ABOD, KNN, LOF, SP, LeSiNN
from ._page import Gallery, Report
from ._pyod import register
from ._scoring import Explanation

if TYPE_CHECKING:
    from ._errors import _NotFittedError as NotFittedError

__all__ = [
    "ABOD",
    "AutoEncoder",
    "DUM",
    "Detector",
    "DetectorComparison",
    "ECOD",
    "EllipticEnvelope",
    "Encoder",
    "Explanation",
    "Gallery",
    "IForest",
    "KNN",
    "LOF",
    "LeSiNN",
    "Monitor",
    "MonitorResult",
    "NotFittedError",
    "OCSVM",
    "QualmWarning",
    "REPEN",
    "Report",
    "SP",
    "__version__",
    "compare",
    "corrupt",
    "corruptions",
    "from_bytes",
    "load",
    "monitor",
    "ood",
    "score_batches",
    "score_file",
    "vision",
]


for _public in (
    Detector,
    DetectorComparison,
    Encoder,
    Explanation,
    Gallery,
    Monitor,
    MonitorResult,
    QualmWarning,
    Report,
    *Detector.__subclasses__(),
):
    # Pickles name a class by its module, and where it is defined may change.
    _public.__module__ = __name__


register()


def __getattr__(name: str) -> Any:
    # Late, because finding scikit-learn's means importing it.
    if name == "NotFittedError":
        from ._errors import not_fitted_error

        return not_fitted_error()
    raise AttributeError(f"module 'qualm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
