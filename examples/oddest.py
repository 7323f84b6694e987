"""The ten oddest of a file of embeddings, a threshold, and a model to keep.

    pip install pyqualm
    python examples/oddest.py

Runs in a few seconds and needs nothing but the package.
"""

# %% Sentence embeddings as an encoder leaves them: unit vectors around a few topics. Twenty of
# the two thousand belong to none.
import tempfile
from pathlib import Path

import numpy as np
import qualm

rng = np.random.default_rng(0)
topics = rng.normal(size=(5, 64))
embeddings = topics[rng.integers(5, size=2000)] + 0.4 * rng.normal(size=(2000, 64))
stray = rng.choice(2000, size=20, replace=False)
embeddings[stray] = 1.1 * rng.normal(size=(20, 64))
embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)

folder = Path(tempfile.mkdtemp())
np.save(folder / "embeddings.npy", embeddings.astype(np.float32))

# %% Fit, without labels. No column dominates, so the directions of the vectors are compared.
embeddings = np.load(folder / "embeddings.npy")
model = qualm.DUM(verbose=1).fit(embeddings)

# %% The rows to look at first.
oddest = np.argsort(-model.decision_scores_)[:10]
p_values = model.p_values(embeddings[oddest])
print("the ten oddest: row, score, p-value")
for row, p_value in zip(oddest, p_values):
    note = "" if row in stray else "   (of a topic after all)"
    print(f"{row:6}  {model.decision_scores_[row]:8.3f}  {p_value:.4f}{note}")

# %% Decide: at most 1 in 100 of rows like these shall be flagged.
model.set_threshold(fpr=0.01)
flagged = np.flatnonzero(model.labels_)
print(
    f"{len(flagged)} flagged above {model.threshold_:.3f}, {np.isin(flagged, stray).sum()} stray"
)

# %% Keep it. The file holds data only, and the command line reads it too:
#    qualm score model.qualm new.npy
model.save(folder / "model.qualm")
again = qualm.load(folder / "model.qualm")
assert np.array_equal(again.decision_function(embeddings), model.decision_function(embeddings))
print(f"saved to {folder / 'model.qualm'}; read back, it scores the same to the bit")
