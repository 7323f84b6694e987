"""Checked by ``mypy --strict``, never run: the types that users rely on."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import qualm
import qualm.spark

rows: npt.NDArray[np.float32] = np.zeros((10, 3), dtype=np.float32)

model: qualm.DUM = qualm.DUM(space="sphere", bag_size="half", random_state=None).fit(rows)
scores: npt.NDArray[np.float64] = model.decision_function(rows)
p_values: npt.NDArray[np.float64] = model.p_values(rows)
threshold: float = model.threshold_
labels: npt.NDArray[np.int64] = model.labels_
decided: npt.NDArray[np.int64] = model.predict(rows, labels="sklearn")
decided, confidence = model.predict(rows, return_confidence=True)
sure: npt.NDArray[np.float64] = confidence
both: npt.NDArray[np.float64] = model.predict_proba(rows, "unify")
both, confidence = model.predict_proba(rows, return_confidence=True)
both, confidence = model.predict_proba(rows, "linear", True)
moved: qualm.DUM = model.set_threshold(fpr=0.01)
explanation: qualm.Explanation = model.explain(rows)
features, shares = explanation
names: npt.NDArray[Any] | None = explanation.names
preset: qualm.DUM = qualm.DUM.from_preset("mlp", hidden=128)
chosen: qualm.DUM = qualm.DUM().fit(rows, vector="embedding", exclude=["when"], id="item")
named: qualm.DUM = qualm.DUM("embedding", bandwidth=0.3, anchors=500)
kernels: qualm.DUM = qualm.DUM(network="kernel", metric="normal", exponent="auto")
used: dict[str, Any] = model.spec_
parameters: dict[str, Any] = model.get_params()
model.save(Path("model.qualm"))
loaded: qualm.Detector = qualm.load("model.qualm")
for batch in qualm.score_batches(loaded, [], ids=["id"]):
    print(batch.num_rows)
monitor: qualm.Monitor = qualm.Monitor(model, rows, guarantee="arl", run_length=1e4)
result: qualm.MonitorResult = monitor.update(rows)
alarm: int | None = result.alarm_at
page: qualm.Report = model.report(
    rows, labels=labels, current=rows, map="umap", top=5, title="July"
)
page.save(Path("report.html"), numbers="report.json", force=True)
page.export(atlas="rows.parquet", fiftyone=Path("rows.json"), images=[Path("a.png")])
numbers: dict[str, Any] = page.data
html: str = page.html
gallery: qualm.Gallery = model.gallery(rows, images=["a.png"], by_class=["cat"], views=True)
strangest: list[dict[str, Any]] = model.top(rows, 5, ids=["a"], k=2)
state: bytes = monitor.state
monitor = qualm.Monitor.from_state(state, "model.qualm")
watched: qualm.MonitorResult = qualm.monitor.watch(scores, scores, alpha=0.01)
compared: qualm.monitor.Comparison = qualm.monitor.compare(scores, scores, "ks")
detectors: list[qualm.Detector] = [
    qualm.IForest(n_estimators=10),
    qualm.LOF(n_neighbors=3, algorithm="auto", contamination="auto"),
    qualm.OCSVM(gamma="auto", tol=0.01),
    qualm.SP(),
    qualm.EllipticEnvelope(support_fraction=0.9),
    qualm.KNN(method="mean"),
    qualm.ABOD(method="exact"),
    qualm.AutoEncoder(hidden=[8, 4]),
    qualm.AutoEncoder(hidden_neuron_list=[8, 4], epoch_num=3, lr=0.01),
    qualm.LeSiNN(),
    qualm.REPEN(),
    qualm.ECOD(space="minmax"),
]
with contextlib.suppress(qualm.NotFittedError):
    model.fit(rows)

knn: qualm.ood.KNN = qualm.ood.KNN(None, k=50).fit_features(rows)
distances: npt.NDArray[np.float64] = knn.decision_function(rows)
usual: npt.NDArray[np.int64] = knn.predict(rows)
knn.save(Path("knn.qualm"))
ood: list[qualm.ood.OODDetector] = [
    qualm.ood.load("knn.qualm"),
    qualm.ood.Mahalanobis(normalise=True, fpr=0.01),
    qualm.ood.ViM(d=64),
    qualm.ood.MaxSoftmax(t=2.0),
    qualm.ood.DUM(bag_size=4),
]

ranked: qualm.DetectorComparison = qualm.compare(["KNN", model], rows, top=20, halves=False)
ranked = qualm.compare({"near": qualm.KNN(), "trees": "IForest"}, rows, seed=None, verbose=1)
rows_of_table: list[dict[str, Any]] = ranked.table
fitted_again: dict[str, qualm.Detector] = ranked.detectors
agreement: npt.NDArray[np.float64] = ranked.agreement
axes = model.plot()
axes = model.plot(rows, ax=axes)
model.fit(rows, sample_weight=None)

frame: Any = None
scored = qualm.spark.score(frame, model, "embedding", id=["item"], on_error="reject")
fitted: qualm.Detector = qualm.spark.fit(frame, qualm.DUM(), id="item", sample_rows=1000)
report: qualm.spark.MonitorReport = qualm.spark.monitor(frame, fitted, window="day", test="ks")
alarms: list[bool] = [window.is_drift for window in report.windows]

# What must not pass.
qualm.DUM(space="nowhere")  # type: ignore[arg-type]
qualm.DUM(7)  # type: ignore[arg-type]
qualm.DUM(None)  # type: ignore[arg-type]
qualm.DUM(metric="taxi")  # type: ignore[arg-type]
qualm.KNN(5)  # type: ignore[call-arg]
qualm.SP(size=3)  # type: ignore[call-arg]
qualm.KNN(epoch_num=3)  # type: ignore[call-arg]
qualm.KNN(labels="signs")  # type: ignore[arg-type]
qualm.Monitor(model, guarantee="always")  # type: ignore[arg-type]
qualm.compare(["KNN"], rows, top="all")  # type: ignore[arg-type]
qualm.compare([qualm.KNN], rows)  # type: ignore[list-item]
model.fit(rows, sample_weight=rows[:, 0])  # type: ignore[arg-type]
model.fit(rows, weights=None)  # type: ignore[call-arg]
print(model.thresold_)  # type: ignore[attr-defined]
model.fit(rows, vector=["embedding"])  # type: ignore[arg-type]
wrong: npt.NDArray[np.int64] = model.predict(rows, True)  # type: ignore[assignment]
