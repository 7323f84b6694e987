"""What the study compares: the model's choices, one changed at a time, and the baselines."""

BASELINES = ["iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen"]

# What the presets `default` and `embedding` differ in.
PRESETS = {
    "tables": {"scaling": "standardise", "metric": "both"},
    "embeddings": {"scaling": "unit", "metric": "robust"},
    "unions": {"scaling": "unit", "metric": "robust"},
}

# The preset `features`, but as wide and as long as the default.
FEATURES = {
    "space": "identity",
    "covariance": "diagonal",
    "bag_size": "half",
    "members": 1,
    "statistic": "entropy",
}

# Each changes some keys of the default; the first changes none.
CHANGES = {
    "as shipped": {},
    # The space.
    "euclidean kernel only": {"metric": "euclidean"},
    "robust kernel only": {"metric": "robust"},
    "bandwidth 0.5": {"bandwidth": 0.5},
    "bandwidth 2": {"bandwidth": 2.0},
    "256 Fourier features": {"fourier_features": 256},
    "sphere": {"space": "sphere"},
    "centred unit sphere": {"space": "unit", "centre": True},
    # The objective.
    "bags of 4": {"bag_size": 4},
    "bags of 16": {"bag_size": 16},
    "cosine, half a batch a bag": {"objective": "cosine", "bag_size": "half"},
    "diagonal, entropy": {"covariance": "diagonal", "statistic": "entropy"},
    "log-variances bounded at 4": {"log_variance_bound": 4.0},
    "view noise 0.1": {"view_noise": 0.1},
    # The network and its training.
    "hidden 256": {"hidden": 256},
    "2 layers": {"layers": 2},
    "min_steps 3000": {"min_steps": 3000},
    "4 members": {"members": 4},
    # What was the default before.
    "before this study": {
        "metric": "euclidean",
        "bandwidth": 2.0,
        "bag_size": 4,
        "hidden": 256,
        "members": 1,
    },
    "features": FEATURES,
    "features, unbounded, norm": FEATURES | {"log_variance_bound": 0.0, "statistic": "norm"},
}

# Local bags: in the space of the preset, and on the sphere, which has no neighbourhood of its own.
CELLS = {"tables": [2, 5, 10, 20, 50, 200], "embeddings": [2, 10, 50], "unions": [10, 20, 50, 200]}
BAGS = {"tables": [2, 4, 8], "embeddings": [2, 8], "unions": [2, 4, 8]}
SPHERES = {
    "tables": {"space": "sphere"},
    "embeddings": {"space": "unit", "centre": True},
    "unions": {"space": "unit", "centre": True},
}
# The preset `clusters`.
CLUSTERS = SPHERES["embeddings"] | {"bags": "local", "bag_size": 4, "cells": "auto"}


def in_cells(cells, bag_size=2):
    return {"bags": "local", "cells": cells, "bag_size": bag_size}


def local_bags(kind):
    """Name and keys of the models that are compared for local bags alone."""
    for cells in CELLS[kind]:
        yield f"local bags, {cells} cells", in_cells(cells)
    for rows in BAGS[kind]:
        # With bags of two these are among the changes.
        if rows > 2:
            yield f"sphere, bags of {rows}", SPHERES[kind] | {"bag_size": rows}
        for cells in CELLS[kind]:
            name = f"sphere, local bags of {rows}, {cells} cells"
            yield name, SPHERES[kind] | in_cells(cells, rows)


def contenders(kind):
    """Name, detector and keys of everything that is run on a kind of sets."""
    for name, keys in [*CHANGES.items(), *local_bags(kind)]:
        yield name, "dum", PRESETS[kind] | keys
    if kind != "unions":
        other = {"tables": "embeddings", "embeddings": "tables"}[kind]
        yield f"preset of {other}", "dum", PRESETS[other]
    yield "preset auto", "dum", {"scaling": "auto", "metric": "auto"}
    yield "preset clusters", "dum", CLUSTERS
    for name in BASELINES:
        yield name, name, {}
        if kind == "tables" and name != "iforest":
            # As in the paper's Table 2.
            yield f"{name}, features to [0, 1]", name, {"space": "minmax"}
