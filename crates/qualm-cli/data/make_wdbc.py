"""Write wdbc.csv, the demo's data, from the copy bundled with scikit-learn.

    pip install scikit-learn
    python make_wdbc.py

One header line, 569 rows, 30 features, then `label`: 1 = malignant (the outliers),
0 = benign. scikit-learn has it the other way round (0 = malignant).
"""

import hashlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer


def main() -> None:
    data = load_breast_cancer()
    header = [name.replace(" ", "_") for name in data.feature_names] + ["label"]
    lines = [",".join(header)]
    for row, target in zip(data.data, data.target, strict=True):
        # The shortest decimal that reads back as the same number: the digits of the source.
        values = [np.format_float_positional(value, trim="-") for value in row]
        label = int(data.target_names[target] == "malignant")
        lines.append(",".join([*values, str(label)]))
    content = ("\n".join(lines) + "\n").encode("ascii")
    Path(__file__).with_name("wdbc.csv").write_bytes(content)
    print(hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
