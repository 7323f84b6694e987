"""The labelled sets of the study, its two protocols, and the measure."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

FOLDERS = {"tables": ["table2", "extra"], "embeddings": ["embeddings"], "oddbench": ["oddbench"]}
# mixed: the fitted rows are scored, outliers among them; clean: fitted to usual rows alone, and
# others scored.
PROTOCOLS = ["mixed", "clean"]
# Draws the sampled rows, and the usual rows that the clean protocol fits.
SEED = 0
# Rows of a set at most, but of oddbench, whose sets are small.
ROWS = 5000
# Outliers among the rows of oddbench in the mixed protocol.
SHARE = 0.1


@dataclass(frozen=True)
class Set:
    """A labelled set and its half: A and B are every other set in the order of their names."""

    kind: str
    name: str
    half: str
    path: Path


@dataclass(frozen=True)
class Split:
    """What is fitted, what is scored (None: the same rows), and which scored rows are outliers."""

    fitted: np.ndarray
    new: np.ndarray | None
    outlier: np.ndarray


def sets(data, kind):
    """The sets of a kind, half A first."""
    paths = [path for folder in FOLDERS[kind] for path in Path(data, folder).glob("*.parquet")]
    named = sorted((f"{path.parent.name}/{path.stem}", path) for path in paths)
    if not named:
        raise SystemExit(f"no sets of {kind} in {data}; there should be {FOLDERS[kind]}/*.parquet")
    for half in [0, 1]:
        for name, path in named[half::2]:
            if kind == "oddbench":
                # Its names are not to be quoted.
                name = hashlib.sha256(name.encode()).hexdigest()[:12]
            yield Set(kind, name, "AB"[half], path)


def split(one, protocol, most=ROWS):
    """A set under a protocol."""
    table = pq.read_table(one.path)
    columns = [name for name in table.column_names if name not in ["label", "part"]]
    rows = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float32)
    outlier = table["label"].to_numpy() == 1
    everything = np.arange(len(rows))
    generator = np.random.default_rng(SEED)
    if one.kind == "oddbench":
        usual = everything[~outlier]
        share = round(len(usual) * SHARE / (1 - SHARE))
        picked = np.sort(np.append(usual, everything[outlier][:share]))
        first = table["part"].to_numpy() == 0
    else:
        picked = everything
        if len(rows) > most:
            picked = np.sort(generator.choice(len(rows), most, replace=False))
        usual = picked[~outlier[picked]]
        first = np.zeros(len(rows), bool)
        first[generator.permutation(usual)[: len(usual) // 2]] = True
    if protocol == "mixed":
        return Split(rows[picked], None, outlier[picked])
    others = ~first
    if one.kind != "oddbench":
        others &= np.isin(everything, picked)
    return Split(rows[first], rows[others], outlier[others])


def auroc(outlier, scores):
    """Area under the receiver operating characteristic, ties counted half; higher = stranger."""
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[group]
    m, n = outlier.sum(), (~outlier).sum()
    return float((ranks[outlier].sum() - m * (m + 1) / 2) / (m * n))
