//! Writes the first inputs of each target into `seeds/TARGET`: small valid files.

use std::path::Path;

#[path = "../crates/qualm-data/tests/hostile/valid.rs"]
mod valid;

const MODEL: &[u8] = include_bytes!("../crates/qualm/tests/data/v1.qualm");

fn main() -> std::io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let tables = valid::files().into_iter().filter(|(name, _)| *name != "tsv");
    for (target, bytes) in tables.chain([("model", MODEL.to_vec())]) {
        let folder = seeds.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("valid"), bytes)?;
    }
    Ok(())
}
