"""Score, fit and monitor on Apache Spark, or on anything that speaks Spark Connect, such as Sail.

Needs PySpark 4 and pyarrow: ``pip install pyqualm[spark]``. Python on the workers needs both and
``pyqualm``. Nothing of Spark is imported before one of these functions is called.

A row's score does not depend on the rows beside it, so tasks that Spark runs again give the same
bits, and scores are the same as those of ``qualm score``.

>>> import qualm.spark  # doctest: +SKIP
>>> rows = spark.read.parquet("s3a://lake/embeddings")  # doctest: +SKIP
>>> model = qualm.spark.fit(rows, qualm.DUM(), id="item")  # doctest: +SKIP
>>> scored = qualm.spark.score(rows, model, id="item")  # doctest: +SKIP
>>> scored.write.mode("overwrite").parquet("s3a://lake/scores")  # doctest: +SKIP
"""

from __future__ import annotations

from ._fit import fit
from ._monitor import MonitorReport, MonitorWindow, monitor
from ._score import score

__all__ = ["MonitorReport", "MonitorWindow", "fit", "monitor", "score"]
