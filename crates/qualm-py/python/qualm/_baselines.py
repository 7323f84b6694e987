"""Neither neighbours nor DUM: IForest, OCSVM, EllipticEnvelope, AutoEncoder, REPEN, ECOD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ._base import Detector
from ._neighbours import Scaling
from ._parameters import Encoding, Labels, Missing, Reference, Unknown

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._synonyms import AutoEncoderNames, EllipticEnvelopeNames, IForestNames, OCSVMNames


class IForest(Detector):
    """Isolation forest: how few splits set a row apart.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees.
    max_samples : int, float in (0, 1] or 'auto', default=256
        Rows that each tree is grown on, or their share; all of them where there are fewer. 'auto'
        is 256, without a warning where there are fewer.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. The columns' scales do not matter.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' is that of all rows; nothing
        else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    F. T. Liu, K. M. Ting and Z.-H. Zhou, 'Isolation forest', ICDM 2008. Defaults as in
    scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import IForest
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(IForest().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "iforest"

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_samples: float | Literal["auto"] = 256,
        space: Scaling = "identity",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
        **pyod: Unpack[IForestNames],
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates
        self._take(pyod)


class OCSVM(Detector):
    """One-class support vector machine, RBF kernel.

    Parameters
    ----------
    gamma : float > 0, 'scale' or 'auto', default='scale'
        The kernel's width; 'scale' is one over the columns times the variance of all values,
        'auto' one over the columns, as in PyOD.
    nu : float in (0, 1], default=0.5
        Share of the rows outside at the most, and of support vectors at the least.
    tolerance : float > 0, default=0.001
        How far from the optimum the exact solver may end.
    exact_rows : int, default=20000
        Rows up to which the solver is exact; above, landmarks stand in for the kernel, and a
        warning says so.
    n_components : int, default=512
        Landmarks, 1 to 4096.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. The kernel depends on the columns' scales: a warning says so where these
        are very unlike.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' is that of all rows; nothing
        else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    B. Schölkopf, J. C. Platt, J. Shawe-Taylor, A. J. Smola and R. C. Williamson, 'Estimating the
    support of a high-dimensional distribution', Neural Computation 13, 2001. Defaults as in
    scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import OCSVM
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(OCSVM().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "ocsvm"

    def __init__(
        self,
        *,
        gamma: float | Literal["scale", "auto"] = "scale",
        nu: float = 0.5,
        tolerance: float = 0.001,
        exact_rows: int = 20000,
        n_components: int = 512,
        space: Scaling = "identity",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
        **pyod: Unpack[OCSVMNames],
    ) -> None:
        self.gamma = gamma
        self.nu = nu
        self.tolerance = tolerance
        self.exact_rows = exact_rows
        self.n_components = n_components
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates
        self._take(pyod)


class EllipticEnvelope(Detector):
    """Elliptic envelope: robust Mahalanobis distance (FastMCD).

    Parameters
    ----------
    support_fraction : float in (0, 1] or None, default=None
        Share of the rows in the subset of least determinant; None for ``(n + d + 1) / 2`` rows,
        which withstands the most outliers, or for all rows where reference='clean'.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. The columns' scales do not matter.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance is that of all rows, unless there is a
        support_fraction.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    Notes
    -----
    With fewer than some 50 rows a column, new rows score higher than fitted ones of the same
    kind; :meth:`calibrate` takes p-values and threshold from rows kept apart.

    References
    ----------
    P. J. Rousseeuw and K. Van Driessen, 'A fast algorithm for the minimum covariance determinant
    estimator', Technometrics 41, 1999. Defaults as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import EllipticEnvelope
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(EllipticEnvelope().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "ee"

    def __init__(
        self,
        *,
        support_fraction: float | None = None,
        space: Scaling = "identity",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
        **pyod: Unpack[EllipticEnvelopeNames],
    ) -> None:
        self.support_fraction = support_fraction
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates
        self._take(pyod)


class AutoEncoder(Detector):
    """Autoencoder: reconstruction error.

    Parameters
    ----------
    hidden : sequence of int, default=(64, 32)
        Widths of the encoder's layers; the decoder has the same in reverse, without the last.
    epochs : int, default=10
        Passes over the rows.
    batch_size : int, default=32
        Rows a step.
    learning_rate : float > 0, default=0.001
        Adam's step size.
    weight_decay : float >= 0, default=1e-05
        Decoupled weight decay.
    space : str, default='standardise'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. The loss depends on the columns' scales, so the default scales them.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' is that of all rows; nothing
        else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    Notes
    -----
    With fewer than some 500 rows a column, new rows score higher than fitted ones of the same
    kind; :meth:`calibrate` takes p-values and threshold from rows kept apart.

    References
    ----------
    M. A. Kramer, 'Nonlinear principal component analysis using autoassociative neural networks',
    AIChE Journal 37, 1991. Defaults as in PyOD.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import AutoEncoder
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(AutoEncoder(epochs=100).fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "ae"

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (64, 32),
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        weight_decay: float = 1e-05,
        space: Scaling = "standardise",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
        **pyod: Unpack[AutoEncoderNames],
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates
        self._take(pyod)


class REPEN(Detector):
    """Distances in a learned space, ranked by triplets.

    Parameters
    ----------
    n_components : int, default=20
        Width of the learned space.
    n_estimators : int, default=50
        Samples of LeSiNN, in both spaces.
    max_samples : int or float in (0, 1], default=8
        Rows in each sample, or their share.
    alpha : float > 0, default=1.732
        Outlier candidates lie so many standard deviations above the mean score.
    margin : float > 0, default=1000.0
        How much farther from the query an outlier candidate shall be than an inlier candidate, in
        squared distance.
    epochs : int, default=30
        Passes, each of as many triplets as there are rows.
    batch_size : int, default=256
        Triplets a step.
    learning_rate : float > 0, default=0.001
        Adam's step size.
    weight_decay : float >= 0, default=0.0
        Decoupled weight decay.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. Distances depend on the columns' scales: a warning says so where these
        are very unlike.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' is that of all rows; nothing
        else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.

    References
    ----------
    G. Pang, L. Cao, L. Chen and H. Liu, 'Learning representations of ultrahigh-dimensional data
    for random distance-based outlier detection', KDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import REPEN
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(REPEN().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "repen"

    def __init__(
        self,
        *,
        n_components: int = 20,
        n_estimators: int = 50,
        max_samples: float = 8,
        alpha: float = 1.732,
        margin: float = 1000.0,
        epochs: int = 30,
        batch_size: int = 256,
        learning_rate: float = 0.001,
        weight_decay: float = 0.0,
        space: Scaling = "identity",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
    ) -> None:
        self.n_components = n_components
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.alpha = alpha
        self.margin = margin
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates


class ECOD(Detector):
    """How far out in the tails of its columns, each by itself.

    The score is minus the logarithm of the share of fitted rows that are as far out or further,
    summed over the columns. New rows are held against the fitted rows alone, so that a score does
    not depend on the rows beside it; beyond the fitted values the tail goes on exponentially.

    Parameters
    ----------
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. The columns' scales do not matter.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' is that of all rows; nothing
        else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.

    References
    ----------
    Z. Li, Y. Zhao, X. Hu, N. Botta, C. Ionescu and G. H. Chen, 'ECOD: unsupervised outlier
    detection using empirical cumulative distribution functions', IEEE TKDE 2022. The scores of the
    fitted rows are PyOD's.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import ECOD
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(ECOD().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "ecod"

    def __init__(
        self,
        *,
        space: Scaling = "identity",
        reference: Reference = "mixed",
        contamination: Any = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
        labels: Labels = "pyod",
        missing: Missing = "fail",
        na: Sequence[str] = (),
        encode: Encoding | None = None,
        unknown: Unknown = "fail",
        max_categories: int | None = None,
        dates: bool = False,
    ) -> None:
        self.space = space
        self.reference = reference
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.labels = labels
        self.missing = missing
        self.na = na
        self.encode = encode
        self.unknown = unknown
        self.max_categories = max_categories
        self.dates = dates
