//! Neighbourhoods for local bags: k-means cells of the vectors a model sees.
//!
//! Lloyd's algorithm from k-means++ seeds (Arthur & Vassilvitskii, 2007), fitted on a
//! sample, every row then assigned to its nearest centre. Cells with fewer rows than a
//! pair of bags are dissolved into their neighbours, so that any cell can fill a pair.

use rand::seq::index;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::error::Result;
use crate::fit::Meter;
use crate::nn::{Mat, Threads, matmul};

/// Rows that the centres are fitted on.
pub(crate) const SAMPLE: usize = 20_000;
const ITERATIONS: usize = 25;

/// The rows of each cell, and the ends of their cumulated sizes for drawing by share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cells {
    rows: Vec<Vec<usize>>,
    ends: Vec<usize>,
}

/// Fits `n_cells` centres to a sample of vectors, `(n, d)`; returns `(cells, d)`.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub(crate) fn centres(
    sample: &[f32],
    d: usize,
    n_cells: usize,
    rng: &mut impl Rng,
    meter: &mut Meter<'_>,
) -> Result<Vec<f32>> {
    let n = sample.len() / d;
    let n_cells = n_cells.clamp(1, n);
    let mut centres = plus_plus(sample, d, n_cells, rng, meter)?;
    let mut nearest = vec![0; n];
    for iteration in 0..ITERATIONS {
        meter.work("cells", iteration as u64, ITERATIONS as u64)?;
        let before = nearest.clone();
        assign(sample, d, &centres, &mut nearest);
        if nearest == before {
            break;
        }
        let mut sums = vec![0.0f64; n_cells * d];
        let mut counts = vec![0usize; n_cells];
        for (row, &cell) in sample.chunks_exact(d).zip(&nearest) {
            counts[cell] += 1;
            for (sum, v) in sums[cell * d..(cell + 1) * d].iter_mut().zip(row) {
                *sum += f64::from(*v);
            }
        }
        // An emptied cell keeps its centre.
        for (cell, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let range = cell * d..(cell + 1) * d;
            for (centre, sum) in centres[range.clone()].iter_mut().zip(&sums[range]) {
                *centre = (sum / *count as f64) as f32;
            }
        }
    }
    Ok(centres)
}

/// Seeds drawn far apart: each next one with probability by squared distance to the
/// nearest seed so far.
fn plus_plus(
    sample: &[f32],
    d: usize,
    n_cells: usize,
    rng: &mut impl Rng,
    meter: &mut Meter<'_>,
) -> Result<Vec<f32>> {
    let n = sample.len() / d;
    let mut picked = vec![rng.random_range(0..n)];
    let mut squares = vec![f64::INFINITY; n];
    while picked.len() < n_cells {
        meter.work("seeds of cells", picked.len() as u64, n_cells as u64)?;
        let last = picked[picked.len() - 1];
        let seed = &sample[last * d..(last + 1) * d];
        squares
            .par_iter_mut()
            .zip(sample.par_chunks_exact(d))
            .for_each(|(square, row)| {
                let terms = row.iter().zip(seed).map(|(a, b)| f64::from(a - b).powi(2));
                *square = square.min(terms.sum());
            });
        let total: f64 = squares.iter().sum();
        let mut at = rng.random_range(0.0..1.0) * total;
        let next = squares.iter().position(|square| {
            at -= square;
            at < 0.0
        });
        // Fewer distinct rows than cells: any row will do, its cell is dissolved later.
        picked.push(next.unwrap_or_else(|| rng.random_range(0..n)));
    }
    let seeds = picked
        .iter()
        .flat_map(|&i| sample[i * d..(i + 1) * d].iter().copied());
    Ok(seeds.collect())
}

/// The nearest centre of each vector, the first among equals.
///
/// # Shapes
/// `vectors`: `(n, d)`; `centres`: `(cells, d)`; `nearest`: `(n,)`.
pub(crate) fn assign(vectors: &[f32], d: usize, centres: &[f32], nearest: &mut [usize]) {
    const BLOCK: usize = 256;
    let n_cells = centres.len() / d;
    let norms: Vec<f32> = centres
        .chunks_exact(d)
        .map(|c| c.iter().map(|v| v * v).sum())
        .collect();
    nearest
        .par_chunks_mut(BLOCK)
        .zip(vectors.par_chunks(BLOCK * d))
        .for_each(|(nearest, rows)| {
            let mut products = vec![0.0; nearest.len() * n_cells];
            let rows = Mat::new(rows, nearest.len(), d);
            matmul(
                &mut products,
                rows,
                Mat::new(centres, n_cells, d).t(),
                Threads::One,
            );
            for (nearest, products) in nearest.iter_mut().zip(products.chunks_exact(n_cells)) {
                let mut best = f32::INFINITY;
                for (cell, (product, norm)) in products.iter().zip(&norms).enumerate() {
                    // |x - c|^2 without |x|^2, which is the same for every cell.
                    let distance = norm - 2.0 * product;
                    if distance < best {
                        best = distance;
                        *nearest = cell;
                    }
                }
            }
        });
}

impl Cells {
    /// Groups rows by their nearest centre; cells smaller than `least` rows are dissolved,
    /// smallest first, each row going to the nearest centre that is left.
    ///
    /// # Shapes
    /// `centres`: `(cells, d)`; `nearest`: `(n,)`; `vector(i)` gives row i's `(d,)`.
    pub(crate) fn new(
        centres: &[f32],
        d: usize,
        nearest: &[usize],
        least: usize,
        vector: impl Fn(usize, &mut [f32]),
    ) -> Self {
        let mut rows = vec![Vec::new(); centres.len() / d];
        for (row, &cell) in nearest.iter().enumerate() {
            rows[cell].push(row);
        }
        let mut alive: Vec<usize> = (0..rows.len()).collect();
        let mut buffer = vec![0.0; d];
        while alive.len() > 1 {
            let Some((at, &cell)) = alive
                .iter()
                .enumerate()
                .min_by_key(|(_, c)| rows[**c].len())
            else {
                break;
            };
            if rows[cell].len() >= least {
                break;
            }
            alive.remove(at);
            for row in std::mem::take(&mut rows[cell]) {
                vector(row, &mut buffer);
                let square = |c: usize| -> f32 {
                    let centre = &centres[c * d..(c + 1) * d];
                    centre
                        .iter()
                        .zip(&buffer)
                        .map(|(a, b)| (a - b).powi(2))
                        .sum()
                };
                let near = alive
                    .iter()
                    .copied()
                    .min_by(|a, b| square(*a).total_cmp(&square(*b)));
                rows[near.unwrap_or(alive[0])].push(row);
            }
        }
        rows.retain(|rows| !rows.is_empty());
        let ends = rows.iter().scan(0, |end, rows| {
            *end += rows.len();
            Some(*end)
        });
        Self {
            ends: ends.collect(),
            rows,
        }
    }

    /// Draws a cell by its share of the rows, then `n` different rows of it.
    pub(crate) fn draw(&self, n: usize, rng: &mut impl Rng, out: &mut Vec<usize>) {
        let total = self.ends.last().copied().unwrap_or(0);
        let at = rng.random_range(0..total);
        let cell = &self.rows[self.ends.partition_point(|end| *end <= at)];
        out.extend(
            index::sample(rng, cell.len(), n.min(cell.len()))
                .iter()
                .map(|i| cell[i]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    /// Three tight clumps on a line, of 50, 40 and 3 rows.
    fn clumps() -> Vec<f32> {
        let clump = |n: usize, at: f32| (0..n).map(move |i| at + i as f32 * 1e-3);
        clump(50, 0.0)
            .chain(clump(40, 10.0))
            .chain(clump(3, 14.0))
            .collect()
    }

    #[test]
    fn clumps_become_cells_and_small_cells_join_their_neighbour() {
        let data = clumps();
        let mut rng = stream(0, Purpose::CELLS, [0, 0]);
        let centres = centres(&data, 1, 3, &mut rng, &mut Meter::new(&mut ())).unwrap();
        let mut nearest = vec![0; data.len()];
        assign(&data, 1, &centres, &mut nearest);
        let vector = |i: usize, out: &mut [f32]| out[0] = data[i];
        let sizes = |least| {
            let cells = Cells::new(&centres, 1, &nearest, least, vector);
            let mut sizes: Vec<usize> = cells.rows.iter().map(Vec::len).collect();
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sizes(1), [3, 40, 50]);
        assert_eq!(sizes(8), [43, 50]);
        assert_eq!(sizes(1000), [93]);
    }

    #[test]
    fn draws_stay_in_one_cell_and_are_distinct() {
        let data = clumps();
        let nearest: Vec<usize> = data.iter().map(|v| usize::from(*v > 5.0)).collect();
        let cells = Cells::new(&[0.0, 10.0], 1, &nearest, 8, |_, _| {});
        let mut rng = stream(0, Purpose::BATCH, [0, 0]);
        for _ in 0..100 {
            let mut rows = Vec::new();
            cells.draw(8, &mut rng, &mut rows);
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), 8);
            assert!(rows[7] < 50 || rows[0] >= 50);
        }
    }

    #[test]
    fn equal_rows_make_one_cell() {
        let data = [1.0; 20];
        let mut rng = stream(0, Purpose::CELLS, [0, 0]);
        let centres = centres(&data, 1, 4, &mut rng, &mut Meter::new(&mut ())).unwrap();
        let mut nearest = vec![0; 20];
        assign(&data, 1, &centres, &mut nearest);
        let cells = Cells::new(&centres, 1, &nearest, 4, |_, out| out[0] = 1.0);
        assert_eq!(cells.rows.len(), 1);
    }
}
