//! `qualm completions`: what shells and `man` want to know of the commands.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use qualm::AtomicFile;

use crate::args::{Cli, Completions, What};
use crate::output::Output;

pub(crate) fn run(args: &Completions, output: Output) -> Result<()> {
    if output.json() {
        bail!("completions and manual pages are text; leave --json out");
    }
    let shell = match args.what {
        What::Bash => Shell::Bash,
        What::Zsh => Shell::Zsh,
        What::Fish => Shell::Fish,
        What::Man => return manual(args.dir.as_deref(), output),
    };
    if args.dir.is_some() {
        bail!("--dir is for manual pages; completions go to standard output");
    }
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "qualm", &mut text);
    print(&text)
}

/// Writes the page of each command, or prints the first.
fn manual(folder: Option<&Path>, output: Output) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = folder else {
        return print(&page(command)?);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be made", folder.display()))?;
    let mut pages = Vec::new();
    collect(&command, "qualm", &mut pages);
    let n = pages.len() as u64;
    for (name, command) in pages {
        let mut file = AtomicFile::create(&folder.join(format!("{name}.1")))?;
        let written = file.write_all(&page(command)?);
        written.with_context(|| format!("{}: cannot be written", file.path().display()))?;
        file.commit()?;
    }
    let (pages, folder) = (crate::output::counted(n, "page"), folder.display());
    output.note(format!("{pages} written to {folder}"));
    Ok(())
}

/// A command and those below it, each with the name of its page.
fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Command)>) {
    pages.push((name.to_owned(), command.clone()));
    for below in command.get_subcommands() {
        if !below.is_hide_set() && below.get_name() != "help" {
            collect(below, &format!("{name}-{}", below.get_name()), pages);
        }
    }
}

fn page(command: Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(text)
}

fn print(text: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text).and_then(|()| out.flush());
    written.context("standard output: cannot be written")
}
