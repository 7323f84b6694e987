//! How threads share the rows of one layer's work.
//!
//! Shares may depend on the number of threads because no bit of the result depends on
//! them: every value is computed by one thread, and in an order that is the same in every
//! share of at least [`LEAST`] rows (see [`super::matmul()`]).

use std::ops::Range;

/// Rows of a share at the most: what one product writes then still lies in the cache when
/// the next step reads it.
const MOST: usize = 256;

/// Columns of a share at the most: with fewer, the rows that all shares multiply would be
/// reordered more often.
const MOST_COLUMNS: usize = 1024;

/// Rows of a share at the least, where there are several. Above 64, and by a multiple of
/// the vector width.
const LEAST: usize = 80;

/// What handing work to another thread costs, in multiplications (some ten microseconds).
const HAND_OFF: usize = 1 << 20;

/// What it costs to read, finish and write one value, in multiplications.
pub(super) const VALUE: usize = 16;

/// In how many shares the current threads do `n_rows` rows of work, each of which costs as
/// much as so many multiplications.
pub(super) fn n_shares(n_rows: usize, row_cost: usize) -> usize {
    let threads = rayon::current_num_threads();
    if threads == 1 || n_rows.saturating_mul(row_cost) < HAND_OFF {
        return 1;
    }
    let rounds = n_rows.div_ceil(threads * MOST).max(1);
    (rounds * threads).min(n_rows / LEAST).max(1)
}

/// In how many shares the current threads do the columns of a large layer.
pub(super) fn n_column_shares(n_columns: usize) -> usize {
    let threads = rayon::current_num_threads();
    let rounds = n_columns.div_ceil(threads * MOST_COLUMNS);
    (rounds * threads).min(n_columns / LEAST).max(1)
}

/// The rows of share `i`: equal but for a vector's width.
pub(super) fn share(n_rows: usize, n_shares: usize, i: usize) -> Range<usize> {
    const WIDTH: usize = 8;
    let start = |i: usize| {
        if i == n_shares {
            n_rows
        } else {
            n_rows * i / n_shares / WIDTH * WIDTH
        }
    };
    start(i)..start(i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_rows_once_and_none_is_small() {
        for n_rows in [1, 159, 160, 256, 617, 4096] {
            for threads in [1, 2, 3, 16] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let n_shares = pool.unwrap().install(|| n_shares(n_rows, 1 << 24));
                let mut next = 0;
                for i in 0..n_shares {
                    let share = share(n_rows, n_shares, i);
                    assert_eq!(share.start, next);
                    assert!(n_shares == 1 || share.len() > 64, "{n_rows} {threads}");
                    next = share.end;
                }
                assert_eq!(next, n_rows);
            }
        }
    }
}
