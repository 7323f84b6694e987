//! `docs/cli.md` says what `--help` says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const HEAD: &str = "# Command line\n\n\
    Generated from `--help`; `just docs-cli` writes it again.\n";

/// The help of a command, wrapped alike in any terminal.
fn help(command: Option<&str>) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_qualm"))
        .args(command)
        .arg("--help")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The commands that the help lists, `help` itself aside.
fn commands(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // Long descriptions go on in lines that are indented further.
    listed
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[test]
fn the_reference_is_what_the_binary_says() {
    let top = help(None);
    let names = commands(&top);
    assert!(names.contains(&"fit"), "{top}");
    let mut text = HEAD.to_owned();
    for command in std::iter::once(None).chain(names.iter().copied().map(Some)) {
        let title = command.map_or("qualm".to_owned(), |name| format!("qualm {name}"));
        let help = help(command);
        assert!(help.contains("Examples:"), "{title} --help has no examples");
        write!(text, "\n## {title}\n\n```text\n{help}\n```\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("QUALM_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/cli.md is not what --help says; write it again with \
         QUALM_BLESS=1 cargo test -p qualm-cli --test main reference"
    );
}
