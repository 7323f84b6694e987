//! Contiguous float32 rows are scored where they lie: counted by an allocator.
//!
//! One test, since the counters see every thread of the process.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use qualm::{Matrix, Rows, Spec};
use qualm_data::{Batches, Selection, Source};
use serde_json::json;

const N: usize = 200_000;
const D: usize = 64;

/// Bytes allocated now, at most since [`measure`] began, and in all since then.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: everything is left to the system's allocator; only counters are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        TOTAL.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` allocates: at most at a time, and in all.
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    TOTAL.store(0, Ordering::Relaxed);
    let result = work();
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (result, peak, TOTAL.load(Ordering::Relaxed))
}

/// The rows as a NumPy array in C order.
fn npy(values: &[f32]) -> Vec<u8> {
    let n = values.len() / D;
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {D}), }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// Rows that differ in every column.
fn rows(n: usize) -> Matrix {
    let values = (0..n * D).map(|i| ((i * i + 7 * i) % 1013) as f32 / 1013.0);
    Matrix::new(values.collect(), D).unwrap()
}

/// A Deep Uncertainty Model that trains in milliseconds.
fn small(space: &str) -> Spec {
    let keys = json!({
        "space": space, "hidden": 16, "fourier_features": 128, "batch_size": 64,
        "epochs": 1, "min_steps": 400, "max_steps": 400,
    });
    let spec = Spec::preset("dum", "mlp")
        .unwrap()
        .with(keys.as_object().unwrap().clone());
    spec.unwrap()
}

#[test]
fn rows_are_scored_and_read_without_a_copy() {
    let fit = rows(400);
    let values: Vec<f32> = fit.rows().as_slice().repeat(N / 400);
    let size = size_of_val(values.as_slice());
    for space in ["identity", "unit", "sphere", "kernel"] {
        let fitted = small(space).fit(fit.rows(), 0, &mut ()).unwrap();
        let mut scores = vec![0.0; N];
        // The first call starts the threads.
        fitted.score(fit.rows()).unwrap();
        let ((), peak, _) = measure(|| {
            let rows = Rows::new(&values, D).unwrap();
            fitted.score_into(rows, &mut scores).unwrap();
        });
        let threads = rayon::current_num_threads();
        // Buffers of one block of 1024 rows for each thread, and no more.
        assert!(
            peak < (2 << 20) * (threads + 1) && (threads > 8 || peak < size / 4),
            "{space}: {peak} bytes beside {size} bytes of rows"
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.npy");
    std::fs::write(&path, npy(&values)).unwrap();
    let mut source = Source::open(&path, &Selection::default(), None).unwrap();
    let mut n_read = 0;
    let first = source.next_batch().unwrap().unwrap().rows.rows().n_rows();
    let ((), peak, total) = measure(|| {
        while let Some(batch) = source.next_batch().unwrap() {
            n_read += batch.rows.rows().n_rows();
        }
    });
    assert_eq!(first + n_read, N);
    let rest = (N - first) * D * size_of::<f32>();
    // Each value is allocated for once, where the file is read to.
    assert!(total < rest + rest / 20, "{total} bytes for {rest}");
    assert!(peak < size / 4, "{peak} bytes at a time for {size}");
}
