"""qualm where scikit-learn and PyOD users have a detector already.

    pip install pyqualm scikit-learn pyod
    python examples/in_place_of.py

Runs in well under a minute.
"""

# %% A scikit-learn pipeline, with a search over a scorer. Labels are only for the measuring.
import numpy as np
import qualm
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.utils.data import evaluate_print, generate_data
from sklearn.decomposition import PCA
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

rows, _, labels, _ = generate_data(
    n_train=600, n_test=100, n_features=12, contamination=0.1, random_state=0
)

pipeline = make_pipeline(RobustScaler(), PCA(8, random_state=0), qualm.DUM())
pipeline.fit(rows)
print(f"pipeline: AUROC {roc_auc_score(labels, pipeline.decision_function(rows)):.3f}")

search = GridSearchCV(
    pipeline,
    {"dum__bandwidth": [0.25, 0.5, 1.0], "pca__n_components": [2, 8]},
    scoring=make_scorer(roc_auc_score, response_method="decision_function"),
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
)
search.fit(rows, labels)
print(f"search: {search.best_params_}, AUROC {search.best_score_:.3f}")

# %% A PyOD comparison loop, with one more detector in it.
train, test, train_labels, test_labels = generate_data(
    n_train=1000, n_test=500, n_features=10, contamination=0.1, random_state=1
)
detectors = {
    "IForest (PyOD)": IForest(contamination=0.1, random_state=0),
    "KNN (PyOD)": KNN(contamination=0.1),
    "KNN (qualm)": qualm.KNN(contamination=0.1),
    "DUM (qualm)": qualm.DUM(contamination=0.1),
}
for name, detector in detectors.items():
    detector.fit(train)
    flagged, confidence = detector.predict(test, return_confidence=True)
    evaluate_print(name, test_labels, detector.decision_function(test))
    print(f"    flagged {np.sum(flagged)} of {len(test)}, mean confidence {confidence.mean():.3f}")
