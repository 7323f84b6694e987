#!/usr/bin/env bash
# The paper's network on a card, beside PyTorch eager and torch.compile on the same card, after a
# check that all agree with our processor's engine. Writes RESULTS.md. Needs an NVIDIA card with
# its driver, the CUDA toolkit, Rust and Python.
#   ./bench/gpu/run.sh
#   QUALM_DEVICE=wgpu ./bench/gpu/run.sh --dry     the script itself, without PyTorch or a card
set -euo pipefail
cd "$(dirname "$0")/../.."
device=${QUALM_DEVICE:-cuda}
venv=bench/engine/.venv
python=$venv/bin/python
if [ "${1:-}" = --dry ]; then
    python=python3
elif [ ! -x "$python" ]; then
    python3 -m venv "$venv"
    "$python" -m pip install -q torch numpy
fi
binary=$(cargo build ${QUALM_PROFILE:---release} --locked -p qualm --features "internals,$device" \
    --example bench_engine --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
exec "$python" bench/gpu/compare.py --device "$device" --binary "$binary" "$@"
