"""The rows that every contender gets: python sets.py NAME ROWS FILE.npy"""

import sys

import numpy as np

SEED = 20_040_901


def shuttle_like(n, generator):
    """Nine integer columns as in Statlog Shuttle: a few dense clusters of very different
    sizes, three columns often 0 with heavy tails, three that are sums of others, and some
    rows twice. Were one column 0 in more than half of the rows, the smallest determinant
    that ee looks for would be 0, and its answer a matter of the seed."""
    shares = [0.62, 0.20, 0.10, 0.06, 0.015]
    first = np.array([45, 55, 37, 80, 105])
    third = np.array([80, 88, 106, 84, 98])
    fifth = np.array([42, 28, 8, 52, 16])
    cluster = generator.choice(len(shares), n, p=np.array(shares) / np.sum(shares))
    spread = np.where(cluster == len(shares) - 1, 4.0, 1.0)
    normal = generator.standard_normal((n, 4))
    columns = np.empty((n, 9))
    columns[:, 0] = first[cluster] + 6 * spread * normal[:, 0]
    columns[:, 2] = third[cluster] + 5 * spread * normal[:, 1]
    columns[:, 4] = fifth[cluster] + 8 * spread * normal[:, 2]
    for column, scale in [(1, 3.0), (3, 2.0), (5, 12.0)]:
        tail = generator.standard_t(1.6, n) * scale * spread
        columns[:, column] = np.where(generator.random(n) < 0.45, 0, tail.clip(-13_000, 13_000))
    columns[:, 6] = columns[:, 2] - columns[:, 0] + normal[:, 3]
    columns[:, 7] = columns[:, 2] - columns[:, 4] + generator.standard_normal(n)
    columns[:, 8] = columns[:, 7] - columns[:, 6] + generator.standard_normal(n)
    columns = np.rint(columns)
    twice = generator.choice(n, n // 50, replace=False)
    columns[twice] = columns[generator.choice(n, len(twice))]
    return columns


def mixture(n, d, generator):
    """Twenty Gaussian clusters of unequal size, the columns of each correlated in a way of its
    own; one row in fifty uniform over the box around them."""
    n_clusters, n_factors = 20, max(d // 4, 2)
    shares = generator.dirichlet(np.full(n_clusters, 2.0))
    cluster = generator.choice(n_clusters, n, p=shares)
    rows = 0.5 * generator.standard_normal((n, d))
    for k in range(n_clusters):
        centre = 2 * generator.standard_normal(d)
        loadings = generator.standard_normal((n_factors, d)) / np.sqrt(n_factors)
        members = np.flatnonzero(cluster == k)
        rows[members] += centre + generator.standard_normal((len(members), n_factors)) @ loadings
    far = generator.choice(n, n // 50, replace=False)
    rows[far] = generator.uniform(rows.min(axis=0), rows.max(axis=0), (len(far), d))
    return rows


def main():
    name, n, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    generator = np.random.default_rng(SEED)
    if name == "shuttle-like":
        rows = shuttle_like(n, generator)
    else:
        rows = mixture(n, int(name.rpartition("x")[2]), generator)
    np.save(file, np.ascontiguousarray(rows, np.float32))


if __name__ == "__main__":
    main()
