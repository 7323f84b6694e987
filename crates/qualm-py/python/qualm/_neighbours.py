"""Distances to other rows: KNN, LOF, ABOD, SP, LeSiNN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ._base import Detector
from ._parameters import Encoding, Labels, Missing, Reference, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from ._synonyms import ABODNames, KNNNames, LOFNames, SPNames

#: How a detector's rows are scaled first.
Scaling = Literal["identity", "minmax", "standardise", "unit", "sphere", "robust"]

#: How the distance of two scaled rows is measured.
Metric = Literal[
    "euclidean",
    "l2",
    "cosine",
    "manhattan",
    "l1",
    "cityblock",
    "chebyshev",
    "minkowski",
    "mahalanobis",
]


class KNN(Detector):
    """Distance to the k nearest neighbours, which are found exactly.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours of a row; a fitted row is not its own. Lowered, with a warning, where there are
        not more rows than that.
    method : {'largest', 'mean', 'median'}, default='largest'
        What is made of their distances.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. Distances depend on the columns' scales: a warning says so where these
        are very unlike.
    metric : str, default='euclidean'
        The distance of two scaled rows: 'euclidean' ('l2'); 'cosine', 1 minus the cosine of their
        angle; 'manhattan' ('l1', 'cityblock'); 'chebyshev'; 'minkowski'; 'mahalanobis', which
        measures each direction in deviations of most of the rows, by a robust, shrunken
        covariance.
    p : float, default=2.0
        The power of metric='minkowski', at least 1; 2 is the Euclidean distance.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' and of metric='mahalanobis' is
        that of all rows; nothing else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    S. Ramaswamy, R. Rastogi and K. Shim, 'Efficient algorithms for mining outliers from large
    data sets', SIGMOD 2000. Defaults as in PyOD.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import KNN
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(KNN().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "knn"

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        method: Literal["largest", "mean", "median"] = "largest",
        space: Scaling = "identity",
        metric: Metric = "euclidean",
        p: float = 2.0,
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
        **pyod: Unpack[KNNNames],
    ) -> None:
        self.n_neighbors = n_neighbors
        self.method = method
        self.space = space
        self.metric = metric
        self.p = p
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


class LOF(Detector):
    """Local outlier factor: density beside that of the neighbours.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours of a row; a fitted row is not its own. Lowered, with a warning, where there are
        not more rows than that.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. Distances depend on the columns' scales: a warning says so where these
        are very unlike.
    metric : str, default='euclidean'
        The distance of two scaled rows: 'euclidean' ('l2'); 'cosine', 1 minus the cosine of their
        angle; 'manhattan' ('l1', 'cityblock'); 'chebyshev'; 'minkowski'; 'mahalanobis', which
        measures each direction in deviations of most of the rows, by a robust, shrunken
        covariance.
    p : float, default=2.0
        The power of metric='minkowski', at least 1; 2 is the Euclidean distance.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' and of metric='mahalanobis' is
        that of all rows; nothing else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, 'LOF: identifying density-based local
    outliers', SIGMOD 2000. Defaults as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import LOF
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(LOF().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "lof"

    def __init__(
        self,
        *,
        n_neighbors: int = 20,
        space: Scaling = "identity",
        metric: Metric = "euclidean",
        p: float = 2.0,
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
        **pyod: Unpack[LOFNames],
    ) -> None:
        self.n_neighbors = n_neighbors
        self.space = space
        self.metric = metric
        self.p = p
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


class ABOD(Detector):
    """Spread of the angles to the neighbours.

    Parameters
    ----------
    n_neighbors : int, default=10
        Neighbours whose pairs are taken, at least 4; a fitted row counts as one of its own.
        Lowered, with a warning, where there are not more rows than that.
    method : {'fast', 'exact', 'default'}, default='fast'
        Pairs of the nearest rows, or of all (at most 2,000 fitted rows); 'default' is PyOD's name
        for 'exact'.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. Distances depend on the columns' scales: a warning says so where these
        are very unlike.
    metric : str, default='euclidean'
        The distance of two scaled rows, which decides which are near: 'euclidean' ('l2'),
        'cosine', 'manhattan' ('l1', 'cityblock'), 'chebyshev', 'minkowski' or 'mahalanobis', as
        of :class:`qualm.KNN`. Angles are those of the rows themselves; with 'cosine' of norm 1,
        with 'mahalanobis' whitened.
    p : float, default=2.0
        The power of metric='minkowski', at least 1; 2 is the Euclidean distance.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' and of metric='mahalanobis' is
        that of all rows; nothing else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    H.-P. Kriegel, M. Schubert and A. Zimek, 'Angle-based outlier detection in high-dimensional
    data', KDD 2008. Defaults as in PyOD.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import ABOD
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(ABOD().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "abod"

    def __init__(
        self,
        *,
        n_neighbors: int = 10,
        method: Literal["fast", "exact", "default"] = "fast",
        space: Scaling = "identity",
        metric: Metric = "euclidean",
        p: float = 2.0,
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
        **pyod: Unpack[ABODNames],
    ) -> None:
        self.n_neighbors = n_neighbors
        self.method = method
        self.space = space
        self.metric = metric
        self.p = p
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


class SP(Detector):
    """Distance to the nearest of a few sampled rows.

    Parameters
    ----------
    subset_size : int or float in (0, 1], default=20
        Rows in the sample, or their share; half of the rows, with a warning, where there are not
        more than that.
    space : str, default='identity'
        How rows are scaled first: 'identity', not at all; 'minmax', each column to [0, 1];
        'standardise', to mean 0 and standard deviation 1; 'unit', rows divided by their norm;
        'sphere', standardised, then divided by it; 'robust', standardised, then whitened by a
        robust covariance. Distances depend on the columns' scales: a warning says so where these
        are very unlike.
    metric : str, default='euclidean'
        The distance of two scaled rows: 'euclidean' ('l2'); 'cosine', 1 minus the cosine of their
        angle; 'manhattan' ('l1', 'cityblock'); 'chebyshev'; 'minkowski'; 'mahalanobis', which
        measures each direction in deviations of most of the rows, by a robust, shrunken
        covariance.
    p : float, default=2.0
        The power of metric='minkowski', at least 1; 2 is the Euclidean distance.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection): then the covariance of space='robust' and of metric='mahalanobis' is
        that of all rows; nothing else changes.
    contamination, random_state, n_jobs, verbose, labels
        As in :class:`qualm.DUM`.
    missing, na, encode, unknown, max_categories, dates
        As in :class:`qualm.DUM`.
    **pyod
        Parameters under PyOD's names; docs/python.md has them.

    References
    ----------
    M. Sugiyama and K. Borgwardt, 'Rapid distance-based outlier detection via sampling', NIPS
    2013. Defaults as in PyOD.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import SP
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(SP().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "sp"

    def __init__(
        self,
        *,
        subset_size: float = 20,
        space: Scaling = "identity",
        metric: Metric = "euclidean",
        p: float = 2.0,
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
        **pyod: Unpack[SPNames],
    ) -> None:
        self.subset_size = subset_size
        self.space = space
        self.metric = metric
        self.p = p
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


class LeSiNN(Detector):
    """Mean distance to the nearest rows of many subsamples.

    Parameters
    ----------
    n_estimators : int, default=50
        Samples.
    max_samples : int or float in (0, 1], default=8
        Rows in each, or their share; fewer than there are fitted rows.
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
    G. Pang, K. M. Ting and D. Albrecht, 'LeSiNN: detecting anomalies by identifying least
    similar nearest neighbours', ICDM Workshops 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import LeSiNN
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> rows[7] += 8
    >>> int(LeSiNN().fit(rows).decision_scores_.argmax())
    7
    """

    _detector: ClassVar[str] = "lesinn"

    def __init__(
        self,
        *,
        n_estimators: int = 50,
        max_samples: float = 8,
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
