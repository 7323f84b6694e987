#!/usr/bin/env bash
# The monitor beside its peers: everything in RESULTS.md, in about ten minutes of one core.
# PYTHON312 is a Python 3.12 or later, which nonconform needs; the wheel is that of
# `scripts/python.sh wheel`. With QUALM_DATA and QUALM_BIN also the real case.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON312:-python3.12}
for name in peers alibi; do
    place=.venv-$name
    if [ ! -d "$place" ]; then
        "$python" -m venv "$place"
        "$place/bin/pip" install --quiet --requirement "$name.txt"
    fi
done
.venv-peers/bin/pip install --quiet --force-reinstall --no-deps ../../target/wheels/pyqualm-*.whl
.venv-peers/bin/python parity.py nonconform
.venv-alibi/bin/python parity.py alibi
.venv-peers/bin/python null.py
.venv-peers/bin/python delays.py
.venv-peers/bin/python report.py
.venv-peers/bin/python cost.py
if [ -n "${QUALM_DATA:-}" ] && [ -n "${QUALM_BIN:-}" ]; then
    .venv-peers/bin/python real.py "$(mktemp -d)"
fi
