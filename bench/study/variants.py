"""What the study compares: the model's choices, one changed at a time, and the baselines."""

BASELINES = ["iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen"]

# What the presets `default` and `embedding` differ in.
PRESETS = {
    "tables": {"scaling": "standardise", "metric": "both"},
    "embeddings": {"scaling": "unit", "metric": "robust"},
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
    "sphere, diagonal": {"space": "sphere", "covariance": "diagonal"},
    "centred unit sphere": {"space": "unit", "centre": True},
    # The objective.
    "bags of 4": {"bag_size": 4},
    "bags of 16": {"bag_size": 16},
    "cosine, half a batch a bag": {"objective": "cosine", "bag_size": "half"},
    "local bags, 10 cells": {"bags": "local", "cells": 10},
    "local bags, 50 cells": {"bags": "local", "cells": 50},
    "diagonal": {"covariance": "diagonal"},
    "diagonal, entropy": {"covariance": "diagonal", "statistic": "entropy"},
    "log-variances bounded at 4": {"log_variance_bound": 4.0},
    "view noise 0.1": {"view_noise": 0.1},
    # The network and its training.
    "hidden 256": {"hidden": 256},
    "2 layers": {"layers": 2},
    "min_steps 3000": {"min_steps": 3000},
    "2 members": {"members": 2},
    "8 members": {"members": 8},
    # What was the default before.
    "before this study": {
        "metric": "euclidean",
        "bandwidth": 2.0,
        "bag_size": 4,
        "hidden": 256,
        "members": 1,
    },
    # Post-ReLU features as they are, the paper's objective to the letter.
    "features": {
        "space": "identity",
        "covariance": "diagonal",
        "bag_size": "half",
        "members": 1,
        "log_variance_bound": 0.0,
    },
}


def contenders(kind):
    """Name, detector and keys of everything that is run on a kind of sets."""
    for name, keys in CHANGES.items():
        yield name, "dum", PRESETS[kind] | keys
    for name in BASELINES:
        yield name, name, {}
        if kind == "tables" and name != "iforest":
            # As in the paper's Table 2.
            yield f"{name}, features to [0, 1]", name, {"space": "minmax"}
