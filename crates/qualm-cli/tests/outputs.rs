//! Outputs that cannot be written: refused, and what stood there stays.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so")]

use std::os::unix::process::CommandExt;

use crate::common::files::{self, csv, rows};
use crate::common::{Folder, OLD, Ran, SMALL, refused};

#[test]
fn outputs_that_cannot_be_written() {
    let folder = Folder::with_model();
    folder.write("bad.csv", "a,b,c,d\n1,2,3,x\n");
    folder.write("taken/file", "");
    let score = |out| ["score", "m.qualm", "t.csv", "-o", out];
    refused(
        &folder,
        &score("nowhere/s.csv"),
        &["nowhere/s.csv", "folder does not exist"],
    );
    refused(&folder, &score("taken"), &["taken"]);
    refused(&folder, &score("s.xyz"), &["s.xyz", ".parquet"]);
    refused(&folder, &score("t.csv"), &["t.csv", "choose another"]);
    refused(&folder, &score("./m.qualm"), &["m.qualm", "choose another"]);
    let fit = |out| [&["fit", "t.csv", "-o", out], &SMALL[..]].concat();
    refused(
        &folder,
        &fit("nowhere/m.qualm"),
        &["nowhere/m.qualm", "folder does not exist"],
    );
    refused(&folder, &fit("taken"), &["taken", "folder"]);
    refused(&folder, &fit("t.csv"), &["t.csv", "choose another"]);
    files::parquet(
        &folder.path("parts/0.parquet"),
        &files::batch(&rows(50, 4, 1)),
    );
    let args = ["score", "m.qualm", "parts", "-o", "parts/scores.parquet"];
    refused(&folder, &args, &["parts/scores.parquet", "choose another"]);
    assert_eq!(std::fs::read_dir(folder.path("parts")).unwrap().count(), 1);
}

#[test]
fn a_folder_without_write_permission() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with_model();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    folder.write("locked/s.csv", OLD);
    mode(&folder.path("locked"), 0o555);
    mode(folder.root(), 0o755);
    // Permissions do not bind root: run as nobody, from a place that nobody can reach.
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| {
        use std::os::unix::fs::MetadataExt;
        m.uid() == 0
    });
    let binary = folder.path("qualm");
    // By another process: a file that this one holds open for writing cannot be started.
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_qualm")).arg(&binary);
    assert!(copy.status().unwrap().success());
    mode(&binary, 0o755);
    for args in [
        &["score", "m.qualm", "t.csv", "-o", "locked/s.csv"][..],
        &["score", "m.qualm", "t.csv", "-o", "locked/new.csv"],
        &["fit", "t.csv", "-o", "locked/new.qualm"],
    ] {
        let mut command = std::process::Command::new(&binary);
        command.args(args).current_dir(folder.root());
        if root {
            command.uid(65534).gid(65534);
        }
        let ran: Ran = command.output().unwrap().into();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.stderr.contains("locked/") && ran.stderr.contains("permission"),
            "{ran:?}"
        );
    }
    assert_eq!(folder.text("locked/s.csv"), OLD);
    mode(&folder.path("locked"), 0o755);
    assert_eq!(std::fs::read_dir(folder.path("locked")).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let folder = Folder::with_model();
    std::os::unix::fs::symlink("/dev/full", folder.path("full.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path("full.qualm")).unwrap();
    let words = ["full.csv", "no space left"];
    refused(
        &folder,
        &["score", "m.qualm", "t.csv", "-o", "full.csv"],
        &words,
    );
    let fit = [&["fit", "t.csv", "-o", "full.qualm"], &SMALL[..]].concat();
    refused(&folder, &fit, &["full.qualm", "no space left"]);
    for args in [
        &["score", "m.qualm", "t.csv"][..],
        &["score", "m.qualm", "t.csv", "--json"],
        &["info", "m.qualm"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = folder.command(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("standard output"), "{args:?}: {stderr}");
        assert!(
            stderr.to_lowercase().contains("no space left"),
            "{args:?}: {stderr}"
        );
    }
}

/// A real file system of one megabyte, where the machine lets us mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system() {
    let folder = Folder::with_model();
    std::fs::create_dir(folder.path("small")).unwrap();
    folder.write("big.csv", csv(&rows(30_000, 4, 1)));
    let script = r#"mount -t tmpfs -o size=64k none small || exit 77
        printf old > small/s.csv
        cp m.qualm small/
        "$0" score m.qualm big.csv -o small/s.csv; echo "code $?"
        cat small/s.csv; ls -A small | tr '\n' ' '"#;
    let output = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_qualm")])
        .current_dir(folder.root())
        .output();
    let ran = match output {
        Ok(output) => Ran::from(output),
        Err(error) => return eprintln!("skipped: unshare: {error}"),
    };
    if !ran.stdout.starts_with("code") {
        return eprintln!(
            "skipped: no file system can be mounted here: {}",
            ran.stderr
        );
    }
    assert!(ran.stdout.starts_with("code 2\nold"), "{ran:?}");
    assert!(ran.stdout.ends_with("oldm.qualm s.csv "), "{ran:?}");
    assert!(ran.stderr.contains("no space left"), "{ran:?}");
}
