"""The paired test that every 'better than' of the study rests on."""

import math
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t


@dataclass(frozen=True)
class Paired:
    """A mean difference over sets: standard error, interval, and on how many it is above 0."""

    mean: float
    error: float
    low: float
    high: float
    ahead: int
    sets: int

    @property
    def sure(self):
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired(differences, level=0.95):
    """Student's t on differences, one a set, which are taken as a sample of all such sets.

    Without spread, or with fewer than two sets, there is no interval: it is not a number.

    >>> found = paired([1.0, 2.0, 3.0, -1.0])
    >>> found.mean, found.ahead, found.sets, found.sure
    (1.25, 3, 4, False)
    """
    differences = list(differences)
    n = len(differences)
    mean = fmean(differences) if n else math.nan
    error = stdev(differences) / math.sqrt(n) if n > 1 else math.nan
    half = float(t.ppf((1 + level) / 2, n - 1)) * error if error > 0 else math.nan
    ahead = sum(d > 0 for d in differences)
    return Paired(mean, error, mean - half, mean + half, ahead, n)
