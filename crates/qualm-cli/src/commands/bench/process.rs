//! Starts a run as a process of its own, waits for it, ends it when its time is over.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use qualm::reports::BenchRow;

use super::plan::{Contender, Set};
use crate::args::{BenchSets, Common};
use crate::interrupt;

/// How often a run is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs what is asked for and fills its row; nothing comes back where Ctrl-C ended it.
pub(super) fn run(
    args: &BenchSets,
    common: &Common,
    set: &Set,
    contender: &Contender,
    asked: BenchRow,
) -> Result<Option<BenchRow>> {
    let binary = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(binary);
    command.args(["bench-run", "--quiet", "--seed", &asked.seed.to_string()]);
    command.args(["--detector", &contender.detector]);
    command.args(["--preset", &contender.preset]);
    if let Some(threads) = common.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    if let Some(label) = &args.label {
        command.arg(format!("--label={label}"));
    }
    if let Some(limit) = args.limit_rows {
        command.args(["--limit-rows", &limit.to_string()]);
    }
    command.arg("--").arg(&set.path);
    // Files rather than pipes: nobody has to read while it runs.
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::piped())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    apart(&mut command);
    let mut child = command.spawn().context("cannot start a process")?;
    let Some(status) = wait(&mut child, args.timeout)? else {
        return Ok(None);
    };
    Ok(Some(row(asked, status, &text(stdout)?, &text(stderr)?)))
}

/// Ctrl-C in a terminal goes to all of a group: the run is ended by us, not beside us.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// How the wait for a process ended, if not by Ctrl-C.
#[derive(Debug, Clone, Copy)]
enum Waited {
    Exited(ExitStatus),
    OutOfTime,
}

fn wait(child: &mut Child, timeout: Option<Duration>) -> Result<Option<Waited>> {
    let started = Instant::now();
    loop {
        // Looked at without waiting: that would close its standard input, which ends it.
        if let Some(status) = child.try_wait()? {
            return Ok(Some(Waited::Exited(status)));
        }
        let late = timeout.is_some_and(|limit| started.elapsed() >= limit);
        let asked = interrupt::asked();
        if late || asked {
            child.kill()?;
            child.wait()?;
            return Ok((!asked).then_some(Waited::OutOfTime));
        }
        sleep(LOOK_EVERY);
    }
}

fn text(mut file: File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The row of a run that has ended, from what it told until then.
fn row(asked: BenchRow, waited: Waited, stdout: &str, stderr: &str) -> BenchRow {
    let told = stdout.lines().map(serde_json::from_str::<BenchRow>);
    let mut told: Vec<BenchRow> = told.filter_map(Result::ok).collect();
    let measured = told.pop_if(|row| row.is_ok());
    let (told, status) = match (waited, measured) {
        (Waited::Exited(status), Some(row)) if status.success() => (row, BenchRow::OK.to_owned()),
        (Waited::Exited(status), _) => (told.pop().unwrap_or_default(), failure(status, stderr)),
        (Waited::OutOfTime, _) => (told.pop().unwrap_or_default(), BenchRow::TIMEOUT.to_owned()),
    };
    BenchRow {
        dataset: asked.dataset,
        detector: asked.detector,
        seed: asked.seed,
        n: told.n.or(asked.n),
        status,
        ..told
    }
}

/// Why it failed, in one line.
fn failure(status: ExitStatus, stderr: &str) -> String {
    let words: Vec<&str> = stderr.split_whitespace().collect();
    let said = words.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let why = if signal == 9 {
            ", as the system does when memory runs out"
        } else {
            ""
        };
        return format!("killed by signal {signal}{why}; {said}")
            .trim_end_matches("; ")
            .to_owned();
    }
    if said.is_empty() {
        return format!("ended without a word ({status})");
    }
    said.to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn an_end_has_one_line_of_status() {
        let asked = BenchRow {
            dataset: "a".to_owned(),
            seed: 3,
            n: Some(5),
            ..BenchRow::default()
        };
        let ended = |waited, stdout: &str, stderr: &str| row(asked.clone(), waited, stdout, stderr);
        let status = |raw, stdout: &str, stderr: &str| {
            ended(Waited::Exited(ExitStatus::from_raw(raw)), stdout, stderr)
        };
        let line = |row: &BenchRow| serde_json::to_string(row).expect("a row") + "\n";
        let begun = BenchRow {
            n: Some(3),
            ..BenchRow::default()
        };
        let good = BenchRow {
            auroc: Some(0.5),
            status: "ok".to_owned(),
            ..begun.clone()
        };
        let (begun, good) = (line(&begun), line(&begun) + &line(&good));
        let done = status(0, &good, "");
        assert_eq!((done.status.as_str(), done.auroc), ("ok", Some(0.5)));
        assert_eq!(
            (done.dataset.as_str(), done.seed, done.n),
            ("a", 3, Some(3))
        );
        // What it told before it failed does not count as measured.
        let failed = status(2 << 8, &good, "error: too\n few\n");
        assert_eq!((failed.status.as_str(), failed.auroc), ("too few", None));
        let silent = status(2 << 8, "", "");
        assert_eq!(silent.status, "ended without a word (exit status: 2)");
        assert_eq!(silent.n, Some(5));
        assert_eq!(status(6, "", "").status, "killed by signal 6");
        assert!(status(9, &begun, "").status.contains("memory"));
        // It went well but told nothing.
        assert!(status(0, &begun, "").status.starts_with("ended"));
        let late = ended(
            Waited::OutOfTime,
            &(begun + "{\"dataset\": \"\", \"aur"),
            "",
        );
        assert_eq!((late.status.as_str(), late.n), ("timeout", Some(3)));
    }
}
