//! What the targets of the readers share.

use std::sync::Once;

use qualm_data::{Batches, Selection, Source};

static QUIET: Once = Once::new();

/// Reads bytes as a file of this extension: an error or rows, never a panic.
pub fn read(extension: &str, bytes: &[u8]) {
    // The readers catch the panics of the Arrow crates and make errors of them; libFuzzer's own
    // hook would end the process before. What nobody catches still ends it.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let suffix = format!(".{extension}");
    let file = tempfile::Builder::new().suffix(&suffix).tempfile();
    let file = file.expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("a temporary file");
    let source = Source::open(file.path(), &Selection::default(), None);
    if let Ok(batch) = source.and_then(Source::read_all) {
        assert!(batch.rows.rows().as_slice().iter().all(|v| v.is_finite()));
    }
}
