"""The Deep Uncertainty Model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ._base import Detector
from ._parameters import Encoding, Labels, Missing, Reference, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence


class DUM(Detector):
    """Deep Uncertainty Model: variance of a learned embedding.

    A network gives each row a mean and a covariance. It is fitted without labels, so that the
    products of the experts of two bags of rows agree. Where the data are dense the variance is
    small, far from them it is large: the score is the size of the covariance.

    Parameters
    ----------
    preset : str, default='default'
        The preset that gives every parameter left None its value:

        - 'default', for tables and vectors: kernel networks;
        - 'auto', another name of 'default';
        - 'embedding', for vectors alone: what 'default' chooses for them, whatever the columns;
        - 'mlp', two multilayer perceptrons trained by gradient steps, in place of kernels;
        - 'clusters', for vectors of several kinds, such as the classes of an image encoder;
        - 'features', for an encoder's outputs after its last ReLU;
        - 'sphere', for tables; its scores are explained by column;
        - 'paper', the published recipe.

        'default' becomes 'mlp' where a parameter asks for what only a multilayer perceptron has:
        ``space``, ``fourier_features``, ``covariance``, ``objective``, ``bags``, ``hidden``,
        ``layers``, ``epochs``, ``min_steps``, ``max_steps``, ``batch_size``, ``learning_rate``,
        ``weight_decay``, ``log_variance_bound``, ``view_noise``, ``device``, or ``bag_size``
        'half'.
    space : str, default='kernel'
        How rows become the vectors that the network sees: 'kernel', the features of a kernel;
        'robust', standardised, then whitened by a robust covariance; 'sphere', standardised, then
        divided by the norm; 'unit', divided by the norm; 'standardise', each column to mean 0 and
        standard deviation 1; 'minmax', each column to [0, 1]; 'identity', as they are.
    centre : bool, default=False
        For space 'unit': subtract the mean of the fitted rows first.
    network : {'auto', 'kernel', 'mlp'}, default='auto'
        'kernel', a weighted sum of kernels around fitted rows, whose weights are the objective's
        fixed point; 'mlp', a multilayer perceptron trained by gradient steps. 'auto' is 'mlp'
        where a parameter asks for what only that has, 'kernel' otherwise.
    bandwidth : float > 0 or 'auto', default='auto'
        For space 'kernel': the kernel's bandwidth, in medians of the distance between two rows.
        'auto' is 1 for 'mlp'; for network 'kernel' 0.5 where ``reference`` is 'mixed', 0.1 where
        it is 'clean'.
    exponent : float > 0 or 'auto', default='auto'
        For network 'kernel': p in its kernel (1 + D**2 / b**2)**-p of distance D and bandwidth b.
        'auto' is 1 where ``reference`` is 'mixed', half of one more than the columns where it is
        'clean'.
    anchors : int, default=2000
        For network 'kernel': how many fitted rows it keeps, at the most; 1 to 1,000,000. Of more
        rows so many are drawn at random.
    fourier_features : int, default=512
        For space 'kernel' and network 'mlp': random Fourier features; even, 2 to 65,536.
    scaling : {'standardise', 'unit', 'auto'}, default='auto'
        For space 'kernel': what rows are scaled to first. 'auto' is 'unit' where no column has a
        tenth of the variance of all, 'standardise' otherwise.
    metric : {'balanced', 'both', 'euclidean', 'normal', 'robust', 'auto'}, default='auto'
        For space 'kernel': which distance the kernel is of. 'robust' is a Mahalanobis distance in
        a robust, shrunken covariance; 'normal' is Euclidean between the normal scores of the
        columns, where each value counts by its rank. With 'balanced' the members take turns with
        'robust' and 'normal', with 'both' with 'euclidean' and 'robust'. 'auto' is 'robust' where
        no column has a tenth of the variance of all; otherwise 'balanced', or 'both' for 'mlp'.
    covariance : {'circular', 'diagonal'}, default='circular'
        One variance for all dimensions, or one for each.
    objective : {'dot', 'cosine'}, default='dot'
        How the means of two bags are compared.
    bag_size : int >= 2 or 'half', default=2
        Rows in a bag, or half of a batch. The more there are, the less do the less certain rows
        count.
    bags : {'global', 'local'}, default='global'
        Whether a pair of bags is drawn from all rows or from one k-means cell.
    cells : int or 'auto', default='auto'
        For local bags: how many cells; 'auto' is one for every 60 rows, at most 200.
    hidden : int, default=64
        Width of the hidden layers, 1 to 65,536.
    layers : int, default=3
        Number of linear layers, 1 to 64.
    epochs : int, default=30
        Passes over the rows, at least 1.
    min_steps : int, default=1000
        Training steps at the least.
    max_steps : int, default=5000
        Training steps at the most; 0 for no limit. Given without ``min_steps``, it lowers that.
    batch_size : int, default=256
        Rows in a training step, at least 4.
    learning_rate : float > 0, default=0.001
        Adam's step size.
    weight_decay : float >= 0, default=0.0
        Decoupled weight decay.
    log_variance_bound : float >= 0, default=10.0
        Soft clamp of the log-variances; 0 for none.
    statistic : {'norm', 'trace', 'entropy'}, default='norm'
        Which number of a row's covariance is its score.
    view_noise : float >= 0, default=0.0
        Standard deviation of the noise that makes a random view of a row; 0 for none.
    members : int, default=2
        Networks that are averaged, 1 to 1,000. One is enough where ``metric`` 'auto' becomes
        'robust' and a kernel network keeps every row: the members would be the same.
    extrapolation : {'distance', 'none'}, default='distance'
        What a row far from the fitted ones gets where the network cannot tell: 'distance' adds a
        variance that grows with the row's Mahalanobis distance; 'none' leaves it to the network,
        as the paper does, which has never seen such a row. It counts for network 'mlp', and for
        'kernel' where rows are divided by their norm; other kernel networks grow by themselves.
    reference : {'mixed', 'clean'}, default='mixed'
        Whether the fitted rows may hold outliers (outlier detection) or are known to be usual
        (novelty detection). It decides ``bandwidth`` and ``exponent`` where they are 'auto', so
        how near a row must be to a fitted one to be usual; where it is 'clean', the covariance of
        the robust metric and space is that of all rows.
    device : {'cpu', 'cuda', 'wgpu'}, default='cpu'
        Where a multilayer perceptron is trained; the wheels on PyPI have the processor only.
    contamination : float in (0, 0.5], 'auto' or thresholder, default=0.1
        The share of outliers expected among the fitted rows; it sets the threshold alone, and
        :meth:`set_threshold` moves it later. 'auto' flags scores more than one and a half
        interquartile ranges above the third quartile (Tukey's fence; docs/python.md). A
        thresholder of PyThresh, or any object whose ``eval`` makes labels of 0 and 1 from
        scores, decides by itself.
    random_state : int, None, numpy.random.Generator or RandomState, default=0
        The seed: the same seed, rows and parameters give the same bits at any ``n_jobs``.
    n_jobs : int or None, default=-1
        Threads; -1 for all that the environment allows, -2 for all but one, None for what
        joblib's context says. Never changes a bit of the result.
    verbose : int, default=0
        1 shows a progress bar (tqdm, if installed) while fitting.
    labels : {'pyod', 'sklearn'}, default='pyod'
        What ``predict`` and ``fit_predict`` give: 1 for an outlier and 0 for another row, or -1
        and 1.
    missing : {'fail', 'drop', 'median'}, default='fail'
        What happens to missing values (None, NaN, NaT, NA) of a frame, a table or an array: they
        are refused; the row is left out of the fit, and refused later; or they count as the median
        of the fitted rows, for categories as the commonest one. Kept in the model, as the next
        five: a model fitted so on the command line scores frames, and the other way round.
    na : sequence of str, default=()
        Texts that stand for a missing value; numbers among them do so in columns of numbers.
    encode : {'onehot', 'frequency'}, optional
        Columns of text are categories and features: one for each category, or one with the share
        of the fitted rows that are of it. Without it, text is no feature. A column of text that is
        different in most rows is none either.
    unknown : {'fail', 'other'}, default='fail'
        What happens to categories that no fitted row was of: they are refused, or count as none of
        the known ones, with a warning.
    max_categories : int, optional
        The most categories of a column that are told apart, the commonest; the others share a
        feature. 50 for 'onehot' and 10000 for 'frequency', unless given.
    dates : bool, default=False
        Whether dates and times are features: days since 1970.

    Notes
    -----
    The defaults named here are those of the preset 'default'; as arguments they are None, which
    leaves a parameter to the preset. ``spec_`` shows what a fit used.

    References
    ----------
    *A Simple Framework for Uncertainty in Contrastive Learning*, equations 2 to 6. Where the
    defaults differ from its recipe, docs/method.md says why.

    Examples
    --------
    >>> import numpy as np
    >>> from qualm import DUM
    >>> vectors = np.random.default_rng(0).normal(loc=3, size=(500, 32)).astype(np.float32)
    >>> vectors[7] *= -1
    >>> model = DUM().fit(vectors)
    >>> int(model.decision_scores_.argmax())
    7
    >>> bool(model.set_threshold(fpr=0.01).predict(vectors).sum() <= 5)
    True
    """

    _detector: ClassVar[str] = "dum"

    @classmethod
    def _of_preset(cls, name: str) -> dict[str, Any]:
        # An unknown name is refused now, as it is for the other detectors.
        super()._of_preset(name)
        return {"preset": name}

    @classmethod
    def _of_spec(cls, keys: dict[str, Any]) -> dict[str, Any]:
        default = super()._of_preset("default")
        return {key: value for key, value in keys.items() if value != default[key]}

    def __init__(
        self,
        preset: str = "default",
        *,
        space: Literal["kernel", "robust", "sphere", "unit", "standardise", "minmax", "identity"]
        | None = None,
        centre: bool | None = None,
        network: Literal["auto", "kernel", "mlp"] | None = None,
        bandwidth: float | Literal["auto"] | None = None,
        exponent: float | Literal["auto"] | None = None,
        anchors: int | None = None,
        fourier_features: int | None = None,
        scaling: Literal["standardise", "unit", "auto"] | None = None,
        metric: Literal["balanced", "both", "euclidean", "normal", "robust", "auto"] | None = None,
        covariance: Literal["circular", "diagonal"] | None = None,
        objective: Literal["dot", "cosine"] | None = None,
        bag_size: int | Literal["half"] | None = None,
        bags: Literal["global", "local"] | None = None,
        cells: int | Literal["auto"] | None = None,
        hidden: int | None = None,
        layers: int | None = None,
        epochs: int | None = None,
        min_steps: int | None = None,
        max_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        log_variance_bound: float | None = None,
        statistic: Literal["norm", "trace", "entropy"] | None = None,
        view_noise: float | None = None,
        members: int | None = None,
        extrapolation: Literal["distance", "none"] | None = None,
        reference: Reference | None = None,
        device: Literal["cpu", "cuda", "wgpu"] | None = None,
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
        self.preset = preset
        self.space = space
        self.centre = centre
        self.network = network
        self.bandwidth = bandwidth
        self.exponent = exponent
        self.anchors = anchors
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
        self.extrapolation = extrapolation
        self.reference = reference
        self.device = device
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
