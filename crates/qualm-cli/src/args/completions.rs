//! The flags of `qualm completions`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  qualm completions bash > ~/.local/share/bash-completion/completions/qualm
  qualm completions zsh > ~/.zfunc/_qualm             with fpath+=~/.zfunc before compinit in ~/.zshrc
  qualm completions fish > ~/.config/fish/completions/qualm.fish
  qualm completions man --dir ~/.local/share/man/man1     then: man qualm-fit")]
pub(crate) struct Completions {
    /// The shell, or man for manual pages
    pub(crate) what: What,
    /// The folder to write manual pages to, one a command
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Bash,
    Zsh,
    Fish,
    Man,
}
