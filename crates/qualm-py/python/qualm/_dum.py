"""The Deep Uncertainty Model."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ._base import Detector


class DUM(Detector):
    """The Deep Uncertainty Model: how uncertain an embedding is, from one forward pass.

    A network gives each row a covariance; it learns, without labels, by making the products of
    the experts of two bags of rows agree. Where the data are dense the variance is small, far
    from them it is large: the score is the size of the covariance.

    The defaults are the preset ``default``, for tables. For vectors whose geometry has a meaning,
    such as sentence or image embeddings, use ``DUM.from_preset("embedding")``; further presets
    are ``auto`` (one of these two, by the columns), ``clusters`` (vectors of several kinds, such
    as classes of images), ``features`` (an encoder's outputs after its last rectifier),
    ``sphere`` (tables; explains itself by column) and ``paper`` (the published recipe to the
    letter).

    Parameters
    ----------
    space : {'kernel', 'sphere', 'unit', 'standardise', 'minmax', 'identity'}
        How rows become the vectors that the network sees: random Fourier features of a Gaussian
        kernel; standardised and divided by the norm; divided by the norm; each column to mean 0
        and standard deviation 1; each column to [0, 1]; as they are.
    centre : bool
        For space 'unit': subtract the mean of the fitted rows first.
    bandwidth : float > 0
        For space 'kernel': the kernel's bandwidth, in medians of the distance between two rows.
    fourier_features : int
        For space 'kernel': how many; even, 2 to 65,536.
    scaling : {'standardise', 'unit', 'auto'}
        For space 'kernel': what rows are scaled to first. 'auto' is 'unit' where no column has a
        tenth of the variance of all, 'standardise' otherwise.
    metric : {'both', 'euclidean', 'robust', 'auto'}
        For space 'kernel': which distance the kernel is of; 'robust' is a Mahalanobis distance in
        a robust, shrunken covariance, 'both' lets members take turns. 'auto' is 'robust' where no
        column has a tenth of the variance of all, 'both' otherwise.
    covariance : {'circular', 'diagonal'}
        One variance for all dimensions, or one for each.
    objective : {'dot', 'cosine'}
        How the means of two bags are compared.
    bag_size : int >= 2 or 'half'
        Rows in a bag, or half of a batch.
    bags : {'global', 'local'}
        Whether a pair of bags is drawn from all rows or from one k-means cell.
    cells : int or 'auto'
        For local bags: how many cells; 'auto' is one for every 60 rows, at most 200.
    hidden, layers : int
        Width of the hidden layers, 1 to 65,536, and number of linear layers, 1 to 64.
    epochs : int
        Passes over the rows, at least 1.
    min_steps, max_steps : int
        Training steps at the least, and at the most (0 for no limit).
    batch_size : int
        Rows in a training step, at least 4.
    learning_rate : float > 0
        Adam's step size.
    weight_decay : float >= 0
        Decoupled weight decay.
    log_variance_bound : float >= 0
        Soft clamp of the log-variances; 0 for none.
    statistic : {'norm', 'trace', 'entropy'}
        Which number of a row's covariance is its score.
    view_noise : float >= 0
        Standard deviation of the noise that makes a random view of a row; 0 for none.
    members : int
        Networks that are trained and averaged.
    device : {'cpu'}
        Where it is trained; the wheels on PyPI have the processor only.
    contamination : float in (0, 0.5]
        The share of outliers expected among the fitted rows; it sets the threshold alone, and
        :meth:`set_threshold` moves it later.
    random_state : int, None, numpy.random.Generator or RandomState
        The seed: the same seed, rows and parameters give the same bits at any ``n_jobs``.
    n_jobs : int or None
        Threads; -1 for all, -2 for all but one, None for 1.
    verbose : int
        1 shows a progress bar (tqdm, if installed) while fitting.

    References
    ----------
    *A Simple Framework for Uncertainty in Contrastive Learning*, equations 2 to 6. Where the
    defaults differ from its recipe, docs/method.md says why.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import DUM
    >>> rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> rows[7] += 6
    >>> model = DUM().fit(rows)
    >>> int(model.decision_scores_.argmax())
    7
    >>> bool(model.set_threshold(fpr=0.01).predict(rows).sum() <= 5)
    True
    """

    _detector: ClassVar[str] = "dum"

    def __init__(
        self,
        *,
        space: Literal["kernel", "sphere", "unit", "standardise", "minmax", "identity"] = "kernel",
        centre: bool = False,
        bandwidth: float = 1.0,
        fourier_features: int = 512,
        scaling: Literal["standardise", "unit", "auto"] = "standardise",
        metric: Literal["both", "euclidean", "robust", "auto"] = "both",
        covariance: Literal["circular", "diagonal"] = "circular",
        objective: Literal["dot", "cosine"] = "dot",
        bag_size: int | Literal["half"] = 2,
        bags: Literal["global", "local"] = "global",
        cells: int | Literal["auto"] = "auto",
        hidden: int = 64,
        layers: int = 3,
        epochs: int = 30,
        min_steps: int = 1000,
        max_steps: int = 5000,
        batch_size: int = 256,
        learning_rate: float = 0.001,
        weight_decay: float = 0.0,
        log_variance_bound: float = 10.0,
        statistic: Literal["norm", "trace", "entropy"] = "norm",
        view_noise: float = 0.0,
        members: int = 2,
        device: Literal["cpu", "cuda", "wgpu"] = "cpu",
        contamination: float = 0.1,
        random_state: Any = 0,
        n_jobs: int | None = -1,
        verbose: int = 0,
    ) -> None:
        self.space = space
        self.centre = centre
        self.bandwidth = bandwidth
        self.fourier_features = fourier_features
        self.scaling = scaling
        self.metric = metric
        self.covariance = covariance
        self.objective = objective
        self.bag_size = bag_size
        self.bags = bags
        self.cells = cells
        self.hidden = hidden
        self.layers = layers
        self.epochs = epochs
        self.min_steps = min_steps
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.log_variance_bound = log_variance_bound
        self.statistic = statistic
        self.view_noise = view_noise
        self.members = members
        self.device = device
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
