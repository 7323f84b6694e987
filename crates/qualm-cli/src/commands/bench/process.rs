//! Starts a run as a process of its own, waits for it, ends it when its time is over.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::plan::{Contender, Set};
use super::results::{OK, TIMEOUT};
use crate::args::{Bench, Common};
use crate::interrupt;

/// How often a run is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a run ended, and what it had told until then.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: String,
    pub(super) told: Map<String, Value>,
}

/// Runs; nothing comes back where Ctrl-C ended it.
pub(super) fn run(
    args: &Bench,
    common: &Common,
    set: &Set,
    contender: &Contender,
    seed: u64,
) -> Result<Option<Ended>> {
    let binary = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(binary);
    command.args(["bench-run", "--quiet", "--seed", &seed.to_string()]);
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
    Ok(Some(ended(status, &text(stdout)?, &text(stderr)?)))
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

fn ended(waited: Waited, stdout: &str, stderr: &str) -> Ended {
    let mut told = Map::new();
    for line in stdout.lines() {
        if let Ok(Value::Object(more)) = serde_json::from_str(line) {
            told.extend(more);
        }
    }
    let status = match waited {
        Waited::OutOfTime => TIMEOUT.to_owned(),
        Waited::Exited(status) if status.success() && told.contains_key("auroc") => OK.to_owned(),
        Waited::Exited(status) => failure(status, stderr),
    };
    Ended { status, told }
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
        let status = |raw, stdout: &str, stderr: &str| {
            let waited = Waited::Exited(ExitStatus::from_raw(raw));
            ended(waited, stdout, stderr).status
        };
        let told = "{\"n\": 3}\n{\"auroc\": 0.5}\n";
        assert_eq!(status(0, told, ""), "ok");
        assert_eq!(status(2 << 8, told, "error: too\n few\n"), "too few");
        assert_eq!(
            status(2 << 8, "", ""),
            "ended without a word (exit status: 2)"
        );
        assert_eq!(status(6, "", ""), "killed by signal 6");
        assert!(status(9, "{\"n\": 3}\n", "").contains("memory"));
        // It went well but told nothing.
        assert!(status(0, "{\"n\": 3}\n", "").starts_with("ended"));
        let late = ended(Waited::OutOfTime, "{\"n\": 3}\n{\"aur", "");
        assert_eq!((late.status.as_str(), late.told.len()), ("timeout", 1));
    }
}
