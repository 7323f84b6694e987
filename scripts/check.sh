#!/usr/bin/env bash
# Everything that must hold before a change lands. Installs what it needs.
#   ./scripts/check.sh            all of it
#   ./scripts/check.sh test       one stage: fmt, clippy, test, doc, deny, demo, python or pages
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

# What is off by default and tested all the same; the stages doc and python build without it.
features=qualm-cli/remote

say() { printf '\n== %s\n' "$1"; }

fmt() {
    say "format"
    cargo fmt --all -- --check
}

clippy() {
    say "lints"
    cargo clippy --workspace --features "$features" --all-targets --locked -- -D warnings
}

tests() {
    say "tests"
    cargo test --workspace --features "$features" --locked
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

# Pages in headless Chromium, where there is one.
pages() {
    say "pages"
    command_line
    local folder=target/pages
    mkdir -p "$folder"
    (
        cd "$folder"
        ../debug/qualm demo --keep wdbc --quiet >/dev/null
        ../debug/qualm report wdbc/wdbc.qualm wdbc/wdbc.csv --label label -o report.html
        ../debug/qualm gallery wdbc/wdbc.qualm wdbc/wdbc.csv -o gallery.html
    )
    bench/report/browser.sh "$folder/report.html" "$folder/gallery.html"
}

# The command line as the tests have built it: they select the whole workspace, and another selection
# would compile everything once more.
command_line() {
    cargo build --workspace --features "$features" --bin qualm --locked
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
        pages
        say "all is well"
        ;;
    fmt | clippy | doc | deny | demo | python | pages) "$1" ;;
    test) tests ;;
    *)
        echo "unknown stage '$1'; one of: fmt clippy test doc deny demo python pages" >&2
        exit 2
        ;;
esac
