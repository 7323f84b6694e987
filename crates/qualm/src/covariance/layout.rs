//! How rows and covariances lie in memory.

/// Rows side by side in a panel: two of its columns fit the registers of AVX2.
pub(crate) const WIDTH: usize = 16;

/// Where the lower half of a `(d, d)` matrix keeps row `j`, column `k`, `k <= j`.
pub(crate) fn lower(j: usize, k: usize, d: usize) -> usize {
    j * d + k
}

/// Writes rows into one panel, `(d, WIDTH)`; lanes without a row are left as they are.
pub(crate) fn fill(rows: &[f32], d: usize, panel: &mut [f64]) {
    for (lane, row) in rows.chunks_exact(d).enumerate() {
        let column = panel.iter_mut().skip(lane).step_by(WIDTH);
        column.zip(row).for_each(|(to, x)| *to = f64::from(*x));
    }
}

/// `out = panel - location`, column by column.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(crate) fn subtract(panel: &[f64], location: &[f64], out: &mut [f64]) {
    let columns = panel.as_chunks::<WIDTH>().0.iter();
    let out = out.as_chunks_mut::<WIDTH>().0.iter_mut();
    for ((column, out), centre) in columns.zip(out).zip(location) {
        for lane in 0..WIDTH {
            out[lane] = column[lane] - centre;
        }
    }
}
