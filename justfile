# Every recipe is one command; `just` lists them.

_default:
    @just --list

# What CI runs: format, lints, tests, docs, dependency audit
check:
    ./scripts/check.sh

# The main job, end to end
demo:
    cargo run --release --locked -- demo

# The Python wheel, into target/wheels
wheel:
    ./scripts/python.sh wheel

# The Python package alone: wheel, tests, types, examples
test-python:
    ./scripts/check.sh python

# Tests alone
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# The device tests on this machine's graphics card; a software Vulkan driver will do
test-gpu FEATURES="wgpu":
    cargo test --locked -p qualm --features {{FEATURES}} --lib -- device
    cargo test --locked -p qualm --features {{FEATURES}} --test main device -- --nocapture

# Our engine beside PyTorch on an NVIDIA card; writes bench/gpu/RESULTS.md
bench-gpu:
    ./bench/gpu/run.sh

# Format all code
fmt:
    cargo fmt --all

# The paper's detectors on the sets of Table 2; goes on where it was stopped, rewrites docs/table2.md
table2 DATA *ARGS:
    cargo run --release --locked -- bench table2 --data {{DATA}} -o bench/table2/results.jsonl \
        --detectors dum,dum:mlp,dum:sphere,iforest,lof,ocsvm,sp,ee,knn,abod,ae,lesinn,repen {{ARGS}}
    python3 scripts/paste.py bench/table2/results.md docs/table2.md

# Sphere variants of the model on the sets of Table 2, written into docs/table2.md: needs QUALM_DATA
table2-sphere *ARGS:
    cargo build --release --locked
    python3 bench/table2/sphere.py {{ARGS}}

# The training engine beside PyTorch; installs PyTorch into bench/engine/.venv
bench-engine *ARGS:
    python3 bench/engine/bench.py {{ARGS}}

# The baselines beside scikit-learn and PyOD; installs both into bench/baselines/.venv
bench-baselines *ARGS:
    python3 bench/baselines/bench.py {{ARGS}}

# The Python package beside the Rust library: overhead, threads, import
bench-python *ARGS:
    python3 bench/python/bench.py {{ARGS}}

# How cost grows with the rows, written into docs/scaling.md: needs QUALM_DATA
bench-scaling *ARGS:
    python3 bench/scaling/scaling.py {{ARGS}}

# The model's presets, the other detectors and PyOD's consensus over all labelled sets: needs
# QUALM_DATA; goes on where it was stopped; installs PyOD into bench/study/.venv
study *ARGS:
    test -x bench/study/.venv/bin/python || python3 -m venv bench/study/.venv
    bench/study/.venv/bin/pip install --quiet --requirement bench/study/requirements.txt
    bench/study/.venv/bin/python bench/study/study.py {{ARGS}}

# What detectors say of rows that are grossly wrong, written into bench/study/FAR.md: needs QUALM_DATA
study-far:
    python3 bench/study/far.py

# SimCLR embeddings of table rows beside the rows themselves, on the paper's sets: needs QUALM_DATA, and
# numpy, pyarrow and torch; goes on where it was stopped
study-simclr *ARGS:
    python3 bench/study/simclr.py {{ARGS}}

# Local bags and `features` on the features of an image encoder: needs QUALM_DATA, QUALM_MODELS, and
# numpy, pyarrow, pillow, torch and safetensors
study-images *ARGS:
    cargo build --release --locked
    python3 bench/study/images.py {{ARGS}}

# What diagnostics have to do with AUROC, written into docs/diagnostics.md: needs QUALM_DATA
study-diagnostics *ARGS:
    python3 bench/study/diagnostics.py {{ARGS}}

# Rewrite the generated part of the command-line reference
docs-cli:
    QUALM_BLESS=1 cargo test --locked -p qualm-cli --test main reference

# Rewrite the golden files from scikit-learn and PyTorch
golden:
    python3 crates/qualm/tests/golden/metrics.py
    python3 crates/qualm/tests/golden/objective.py
    python3 crates/qualm/tests/golden/neighbours.py
    python3 crates/qualm/tests/golden/ocsvm_ee.py
    python3 crates/qualm/tests/golden/ecod.py
    python3 crates/qualm/tests/golden/ensembles.py
    python3 crates/qualm/tests/golden/networks.py

# Feed random bytes to a reader: model, csv, npy, npz, parquet or arrow
fuzz TARGET="model" SECONDS="60":
    cd fuzz && cargo run --quiet --bin seeds
    cd fuzz && cargo +nightly fuzz run {{TARGET}} corpus/{{TARGET}} seeds/{{TARGET}} -- -max_total_time={{SECONDS}}
