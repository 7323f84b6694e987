"""Out-of-distribution detection from what a classifier computes.

Each detector sees features (vectors of a layer of the classifier), logits, or both, and, to fit,
the class of each item, as arrays of any framework. No network is needed. **Higher score = more out
of distribution**, for all of them.

The names, verbs and default parameters are those of pytorch-ood, so that its code runs on arrays
with one import changed; beside them stand those of all detectors here.

>>> import numpy as np
>>> from qualm.ood import Mahalanobis
>>> rng = np.random.default_rng(0)
>>> labels = rng.integers(0, 3, size=600)
>>> features = rng.normal(size=(600, 8)) + 6 * np.eye(8)[labels]
>>> detector = Mahalanobis().fit_features(features, labels)
>>> scores = detector.predict_features(np.zeros((1, 8)))
>>> bool(scores[0] > detector.threshold_)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._activations import to_numpy
from ._ood import Floats, OfLogits, OODDetector, load

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "DUM",
    "GEN",
    "KNN",
    "ODIN",
    "RMD",
    "DUMCirc",
    "EnergyBased",
    "Gram",
    "Mahalanobis",
    "MaxSoftmax",
    "OODDetector",
    "ResidualFlow",
    "Rotation",
    "ViM",
    "load",
]


class MaxSoftmax(OfLogits):
    """1 - the largest softmax probability (Hendrycks and Gimpel, ICLR 2017). Needs logits.

    pytorch-ood's score is this one less 1. Nothing is learned: the logits of the fit only set
    p-values and threshold, and :meth:`predict_logits` works without a fit.

    Parameters
    ----------
    t : float
        Temperature; above 0.

    Examples
    --------
    >>> from qualm.ood import MaxSoftmax
    >>> MaxSoftmax().predict_logits([[4.0, 0.0], [0.5, 0.0]]).round(3).tolist()
    [0.018, 0.378]
    """

    _detector = "msp"

    def __init__(self, encoder: None = None, t: float = 1.0, **common: Any) -> None:
        super().__init__(encoder, temperature=t, **common)


class ODIN(OfLogits):
    """1 - the largest softmax probability of a perturbed input (Liang et al., ICLR 2018).

    Needs the logits of inputs that were moved against the gradient, which only the network can
    give: with PyTorch, those of pytorch-ood's ``odin_preprocessing(model, x)``. ``qualm ood fit
    --classifier`` runs a network itself. pytorch-ood's score is this one less 1. Nothing is
    learned, as in :class:`MaxSoftmax`.

    Parameters
    ----------
    eps : float
        The step with which the inputs were moved, kept for the record: it does not change scores
        of arrays.
    temperature : float
        Temperature; above 0.
    """

    _detector = "odin"

    def __init__(
        self,
        encoder: None = None,
        *,
        eps: float = 0.0014,
        temperature: float = 1000.0,
        **common: Any,
    ) -> None:
        super().__init__(encoder, epsilon=eps, temperature=temperature, **common)


class EnergyBased(OfLogits):
    """The free energy of the logits (Liu et al., NeurIPS 2020). Needs logits.

    Nothing is learned, as in :class:`MaxSoftmax`.

    Parameters
    ----------
    t : float
        Temperature; above 0.
    """

    _detector = "energy"

    def __init__(self, encoder: None = None, t: float = 1.0, **common: Any) -> None:
        super().__init__(encoder, temperature=t, **common)


class GEN(OfLogits):
    """A generalised entropy of the softmax (Liu, Lochman and Zach, CVPR 2023). Needs logits.

    Nothing is learned, as in :class:`MaxSoftmax`. pytorch-ood's score is this one divided by the
    number of probabilities that count; it takes all classes unless told otherwise.

    Parameters
    ----------
    gamma : float
        Exponent; above 0.
    M : int
        Probabilities that count, the largest first.
    """

    _detector = "gen"

    def __init__(
        self, encoder: None = None, gamma: float = 0.1, M: int = 100, **common: Any
    ) -> None:
        super().__init__(encoder, gamma=gamma, m=M, **common)


class Mahalanobis(OODDetector):
    """Mahalanobis distance to the nearest class (Lee et al., NeurIPS 2018).

    Needs features and labels. pytorch-ood's score is this one divided by twice the number of
    fitted items.

    Parameters
    ----------
    normalise : bool
        Divide features by their norm first: Mahalanobis++ (Mueller and Hein, ICML 2025).
    combine : {"equal", "logistic"}
        How the scores of several layers become one: their sum, or by a logistic regression on
        items with labels below 0.
    """

    _detector = "mahalanobis"

    def __init__(
        self,
        encoder: None = None,
        *,
        normalise: bool = False,
        combine: str = "equal",
        **common: Any,
    ) -> None:
        super().__init__(encoder, normalise=normalise, combine=combine, **common)


class ResidualFlow(OODDetector):
    """Log-likelihood of a flow for each class (Zisselman and Tamar, CVPR 2020).

    Needs features of one or several layers, and labels.

    Parameters
    ----------
    couplings : int
        Couplings of a flow; 0 leaves the Gaussians of the classes.
    epochs : int
        Passes over the items of each class.
    batch_size : int
        Items a step.
    learning_rate : float
        Adam's rate.
    hidden_ratio : float
        Hidden neurons for each feature.
    combine : {"equal", "logistic"}
        As in :class:`Mahalanobis`.
    """

    _detector = "residual_flow"

    def __init__(
        self,
        encoder: None = None,
        *,
        couplings: int = 10,
        epochs: int = 20,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        hidden_ratio: float = 1.0,
        combine: str = "equal",
        **common: Any,
    ) -> None:
        super().__init__(
            encoder,
            couplings=couplings,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            hidden_ratio=hidden_ratio,
            combine=combine,
            **common,
        )


class Gram(OODDetector):
    """Deviations of Gram matrices of feature maps (Sastry and Oore, ICML 2020).

    Needs logits, labels from 0 in the order of the logits, and in place of features, for each
    layer, the row sums of the Gram matrices of its feature maps, of orders 1 to ``orders``:
    pytorch-ood's ``Gram._gram_vector(map, p)`` for each order, side by side. ``qualm ood fit
    --classifier`` computes them itself. The held-out items are every tenth of each class, where
    pytorch-ood draws them.

    Parameters
    ----------
    orders : int
        The highest order.
    """

    _detector = "gram"

    def __init__(self, encoder: None = None, *, orders: int = 10, **common: Any) -> None:
        super().__init__(encoder, orders=orders, **common)


class Rotation(OODDetector):
    """How badly quarter turns of an image are predicted (Hendrycks et al., NeurIPS 2019).

    Needs logits, and in place of features the logits of a rotation head, 16 for each item: four
    for the image as it is, four for the image turned by a quarter, and so on. Nothing is learned.

    Parameters
    ----------
    classifier : bool
        Whether the logits of the classifier count.
    """

    _detector = "rotation"

    def __init__(self, encoder: None = None, *, classifier: bool = True, **common: Any) -> None:
        super().__init__(encoder, classifier=classifier, **common)


class RMD(OODDetector):
    """Relative Mahalanobis distance (Ren et al., 2021). Needs features and labels.

    pytorch-ood's score is this one divided by the number of fitted items.

    Parameters
    ----------
    normalise : bool
        Divide features by their norm first: RMDS++.
    """

    _detector = "rmds"

    def __init__(self, encoder: None = None, *, normalise: bool = False, **common: Any) -> None:
        super().__init__(encoder, normalise=normalise, **common)


class KNN(OODDetector):
    """Distance to the k-th nearest fitted item (Sun et al., ICML 2022). Needs features.

    Parameters
    ----------
    k : int
        Which neighbour.
    normalize : bool
        Divide features by their norm first, as in the paper.
    """

    _detector = "knn"

    def __init__(
        self, encoder: None = None, k: int = 50, normalize: bool = True, **common: Any
    ) -> None:
        super().__init__(encoder, n_neighbors=k, normalise=normalize, **common)


class ViM(OODDetector):
    """Virtual-logit matching (Wang et al., CVPR 2022). Needs features and logits.

    The weights of the last layer follow from features and logits. Given ``w`` and ``b``, as in
    pytorch-ood, the logits are computed from the features.

    Parameters
    ----------
    d : int or "auto"
        Dimensions of the principal space.
    w : array of shape (c, d), optional
        Weights of the last layer.
    b : array of shape (c,), optional
        Its biases.
    origin : {"head", "mean"}
        Where features are measured from: where the logits are 0, or their mean.
    """

    _detector = "vim"
    #: Weights and biases of the last layer; a detector that was read from a file has none.
    _head: tuple[Any, Any] | None = None

    def __init__(
        self,
        encoder: None = None,
        d: int | str = "auto",
        w: Any = None,
        b: Any = None,
        *,
        origin: str = "head",
        **common: Any,
    ) -> None:
        super().__init__(encoder, n_components=d, origin=origin, **common)
        if (w is None) != (b is None):
            raise TypeError("give w and b together, or neither")
        if w is not None:
            self._head = (to_numpy(w, float), to_numpy(b, float))

    def fit(self, features: Any = None, labels: Any = None, *, logits: Any = None) -> Self:
        return super().fit(features, labels, logits=self._logits(features, logits))

    def decision_function(self, features: Any = None, *, logits: Any = None) -> Floats:
        return super().decision_function(features, logits=self._logits(features, logits))

    def _logits(self, features: Any, logits: Any) -> Any:
        if logits is not None or features is None or self._head is None:
            return logits
        w, b = self._head
        return to_numpy(features, float) @ w.T + b


class DUM(OODDetector):
    """The Deep Uncertainty Model on features, a variance for each. Needs features.

    Parameters
    ----------
    **keys
        Those of :class:`qualm.DUM`; the defaults are its preset ``features``, with
        ``reference="clean"``.
    """

    _detector = "dum"


class DUMCirc(OODDetector):
    """The Deep Uncertainty Model on features, one variance for all. Needs features.

    Parameters
    ----------
    **keys
        Those of :class:`qualm.DUM`; the defaults are its preset ``clusters``, with
        ``reference="clean"``.
    """

    _detector = "dum_circ"
