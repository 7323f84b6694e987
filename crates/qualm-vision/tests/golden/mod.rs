//! Against `torchvision` and Pillow. The scripts in `tests/golden` wrote the files.

mod laws;
mod read;
mod views;

use std::path::PathBuf;

/// The bytes of a golden file.
fn golden(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}

/// A real set of images, where `QUALM_DATA` names the folder.
fn real(set: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("QUALM_DATA") else {
        println!("{set}: skipped, QUALM_DATA names no folder");
        return None;
    };
    Some(PathBuf::from(folder).join(set))
}
