//! Views per second on this machine, for `bench/vision/views.py`.
//!
//! Reads from standard input, line by line, how many views to make, and answers each with the
//! seconds that it took, so that the caller can alternate with others.
//!
//! ```text
//! bench_views IMAGES.npy SIZE THREADS
//! ```
#![allow(clippy::print_stdout, reason = "its output is its result")]

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use qualm_vision::read::{ImageSource, ReadOptions, Resize};
use qualm_vision::views::{View, ViewSpec, Views};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, images, size, threads] = &arguments[..] else {
        return Err("expected IMAGES.npy SIZE THREADS".into());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.parse()?)
        .build_global()?;
    let items =
        ImageSource::open(Path::new(images), &ReadOptions::default())?.read_all(Resize::Keep)?;
    let views = Views::new(ViewSpec::simclr(size.parse()?), 0)?;
    for (index, line) in (0..).zip(std::io::stdin().lock().lines()) {
        let n: usize = line?.trim().parse()?;
        let mut out = vec![0.0f32; n * views.values()];
        let requests: Vec<View> = (items.iter().cycle().zip(0..n))
            .map(|(item, i)| View {
                image: &item.image,
                id: i as u64,
                index,
            })
            .collect();
        let start = Instant::now();
        views.views_into(&requests, &mut out)?;
        println!("{{\"seconds\": {}}}", start.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}
