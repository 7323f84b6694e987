"""What the study compares: to be edited as the question demands.

A contender whose keys were changed here is measured anew, and one that was taken out is in no
table.
"""

from dataclasses import dataclass, field

BASELINES = ["iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen", "ecod"]
# The space of the detectors' second entry.
ROBUST = {"space": "robust"}

# Presets of the Deep Uncertainty Model, and the one that a kind of sets gets without a choice.
PRESETS = ["default", "mlp", "embedding"]
DEFAULT = {"tables": "dum default", "embeddings": "dum default", "oddbench": "dum default"}

# Other settings of the model, by name: a preset and the keys that are changed, such as
#   "bandwidth 0.25": ("default", {"bandwidth": 0.25}),
VARIANTS = {
    "plain distance": ("default", {"metric": "euclidean"}),
    "robust distance": ("default", {"metric": "robust"}),
    "normal scores": ("default", {"metric": "normal"}),
    "plain and robust distance": ("default", {"metric": "both"}),
    "bandwidth 0.25": ("default", {"bandwidth": 0.25}),
    "bandwidth 1": ("default", {"bandwidth": 1.0}),
    "bags of 4": ("default", {"bag_size": 4}),
    "500 anchors": ("default", {"anchors": 500}),
    "mlp, no extrapolation": ("mlp", {"extrapolation": "none"}),
}

# How many seeds: of a kind's default, which is asked for its spread, and of others by name; else one.
SEEDS_OF_DEFAULT = 5
SEEDS = {}


@dataclass(frozen=True)
class Contender:
    """A detector, or detector/preset, with the keys in which it differs from that."""

    name: str
    detector: str
    keys: dict = field(default_factory=dict)

    def seeds(self, kind):
        """How many it is run with on a kind of sets."""
        return SEEDS_OF_DEFAULT if self.name == DEFAULT[kind] else SEEDS.get(self.name, 1)

    @property
    def ours(self):
        """Whether it is a detector of this project."""
        return not self.detector.startswith("pyod/")


def contenders():
    """All that is compared."""
    for preset in PRESETS:
        yield Contender(f"dum {preset}", f"dum/{preset}")
    for name, (preset, keys) in VARIANTS.items():
        yield Contender(f"dum {name}", f"dum/{preset}", keys)
    for name in BASELINES:
        yield Contender(name, name)
    for name in BASELINES:
        yield Contender(f"{name}, robust space", name, ROBUST)
    # See consensus.py.
    yield Contender("pyod consensus", "pyod/consensus")
    yield Contender("pyod ADEngine", "pyod/engine")
