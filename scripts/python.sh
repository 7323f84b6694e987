#!/usr/bin/env bash
# The Python package as its users get it: a wheel, installed into empty environments and tested
# there, never from the source tree. Installs what it needs under target/python.
#   ./scripts/python.sh            all of it
#   ./scripts/python.sh wheel      only build the wheel, into target/wheels
#   ./scripts/python.sh portable   the same for older Linux (glibc 2.17), linked by zig
#   ./scripts/python.sh oldest     only test that wheel with the oldest versions of what it works with
# PYTHON chooses the interpreter, QUALM_BIN the command line that is compared with.
set -euo pipefail
cd "$(dirname "$0")/.."
package=crates/qualm-py
work=target/python
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PYTHONDONTWRITEBYTECODE=1

# environment NAME REQUIREMENTS: one with exactly these, made anew when they have changed.
environment() {
    local place=$work/$1 wanted=$2
    if ! cmp -s "$wanted" "$place/requirements"; then
        rm -rf "$place"
        "${PYTHON:-python3}" -m venv "$place"
        "$place/bin/pip" install --quiet --requirement "$wanted"
        cp "$wanted" "$place/requirements"
    fi
}

# wheel [MORE]: with more options for maturin.
wheel() {
    environment tools "$package/tests/tools.txt"
    rm -f target/wheels/pyqualm-*.whl
    "$work/tools/bin/maturin" build --release --locked \
        --manifest-path "$package/Cargo.toml" --out target/wheels "$@"
    local size
    size=$(stat -c %s target/wheels/pyqualm-*.whl)
    echo "wheel: $((size / 1024)) KiB"
    [ "$size" -lt $((30 * 1024 * 1024)) ] || {
        echo "the wheel is larger than 30 MiB" >&2
        exit 1
    }
}

install() {
    "$work/$1/bin/pip" install --quiet --force-reinstall --no-deps target/wheels/pyqualm-*.whl
}

# On two executors of a local cluster, and on Sail. Spark needs Java 17 or later, which is installed
# where that is possible; without it the tests of Spark say that they are skipped.
spark() {
    if ! command -v java >/dev/null && [ -z "${JAVA_HOME:-}" ]; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            (apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless) \
                >"$work/java.log" 2>&1 || echo "skipped: Java could not be installed, see $work/java.log"
        fi
    fi
    environment spark "$package/tests/requirements-spark.txt"
    install spark
    (cd "$package/tests" && timeout 900 ../../../"$work/spark/bin/python" -m pytest -q -rs \
        -p no:cacheprovider test_spark.py test_sail.py)
}

# With the oldest versions that are supported. NumPy's has wheels for Python 3.9 to 3.11.
oldest() {
    if ! "${PYTHON:-python3}" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))'; then
        echo "skipped: the tests with the oldest versions take Python 3.9, 3.10 or 3.11 (PYTHON=...)"
        return
    fi
    environment oldest "$package/tests/requirements-oldest.txt"
    install oldest
    (cd "$package/tests" && ../../../"$work/oldest/bin/python" -m pytest -q -rs \
        -p no:cacheprovider test_input.py test_adapt.py test_columns.py test_choice.py \
        test_sklearn.py)
}

checks() {
    local config=$package/pyproject.toml
    "$work/tools/bin/ruff" format --check --config "$config" "$package" examples
    "$work/tools/bin/ruff" check --quiet --config "$config" "$package" examples

    # As a user who has nothing else: NumPy comes with the wheel.
    rm -rf "$work/bare"
    "${PYTHON:-python3}" -m venv "$work/bare"
    "$work/bare/bin/pip" install --quiet target/wheels/pyqualm-*.whl
    (cd "$work" && bare/bin/python ../../examples/oddest.py)

    environment full "$package/tests/requirements.txt"
    install full
    (cd "$package/tests" && ../../../"$work/full/bin/python" -m pytest -q -p no:cacheprovider \
        --doctest-modules --ignore typing --pyargs . qualm)
    "$work/full/bin/python" -m mypy --strict --python-executable "$work/full/bin/python" \
        --config-file "$config" "$package/tests/typing" "$package/python/qualm"
    (cd "$work" && full/bin/python ../../examples/in_place_of.py)
    "$work/full/bin/python" -m pytest -q -p no:cacheprovider bench/study
    oldest
    spark
}

case "${1:-all}" in
    all)
        wheel
        checks
        ;;
    wheel) wheel ;;
    oldest) oldest ;;
    portable)
        environment tools "$package/tests/tools.txt"
        "$work/tools/bin/pip" install --quiet ziglang==0.17.1
        PATH=$PWD/$work/tools/bin:$PATH wheel --zig --compatibility manylinux2014
        ;;
    *)
        echo "unknown step '$1'; there are: wheel, oldest, portable" >&2
        exit 2
        ;;
esac
