#!/usr/bin/env bash
# Everything that must hold before a change lands. Installs what it needs.
#   ./scripts/check.sh            all of it
#   ./scripts/check.sh test       one stage: fmt, clippy, test, doc, deny, demo or python
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

say() { printf '\n== %s\n' "$1"; }

fmt() {
    say "format"
    cargo fmt --all -- --check
}

clippy() {
    say "lints"
    cargo clippy --workspace --all-targets --locked -- -D warnings
}

tests() {
    say "tests"
    cargo test --workspace --locked
}

doc() {
    say "docs"
    RUSTDOCFLAGS="-D warnings" cargo doc -p qualm -p qualm-data -p qualm-vision -p qualm-report --no-deps --locked --document-private-items
}

deny() {
    say "dependency audit"
    if ! command -v cargo-deny >/dev/null; then
        cargo install cargo-deny --version 0.20.2 --locked --profile dev
    fi
    cargo deny --locked check licenses bans sources
}

# The command line as the tests have built it: they select the whole workspace, and another selection
# would compile everything once more.
command_line() {
    cargo build --workspace --bin qualm --locked
}

demo() {
    say "demo"
    command_line
    target/debug/qualm demo
}

python() {
    say "python"
    command_line
    QUALM_BIN=$PWD/target/debug/qualm ./scripts/python.sh
}

case "${1:-all}" in
    all)
        fmt
        clippy
        tests
        doc
        deny
        demo
        python
        say "all is well"
        ;;
    fmt | clippy | doc | deny | demo | python) "$1" ;;
    test) tests ;;
    *)
        echo "unknown stage '$1'; one of: fmt clippy test doc deny demo python" >&2
        exit 2
        ;;
esac
