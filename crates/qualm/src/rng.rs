//! One generator for all randomness, the eight-round `ChaCha`, keyed by what the numbers are for.
//!
//! A stream is a pure function of (seed, purpose, two indices), never of a thread or
//! of how many numbers some other part has drawn. That is what makes fits repeat bit
//! for bit at any thread count, and lets an interrupted fit go on from a step number.

use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. The values are part of the model format's
/// promise that a seed keeps its meaning: append, never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// First weights of a network; index: member.
    Init = 1,
    /// Order of rows in an epoch, or the bags of a step; indices: member, epoch or step.
    Batch = 2,
    /// Noise of the random views; indices: member, step.
    View = 3,
    /// Frequencies of the kernel space; index: member.
    Fourier = 4,
    /// Rows whose distances set the kernel bandwidth; index: member.
    Bandwidth = 5,
    /// K-means cells; index: member.
    Cells = 6,
    /// Rows that an isolation tree is grown on; index: tree.
    TreeSample = 7,
    /// Splits of an isolation tree; index: tree.
    TreeSplits = 8,
    /// Rows whose distance is the score (`sp`, `lesinn`); index: subsample.
    Sample = 9,
    /// First subsets of the minimum covariance determinant; indices: group, start.
    Subset = 10,
    /// Landmarks of an approximated kernel.
    Landmarks = 11,
    /// Triplets of a step of `repen`; index: step.
    Triplets = 12,
    /// Rows kept of a table that is larger than asked for.
    Limit = 13,
    /// Rows that diagnostics are measured on.
    Diagnostics = 14,
    /// Which half a row belongs to.
    Halves = 15,
}

/// The stream for one purpose.
#[must_use]
pub fn stream(seed: u64, purpose: Purpose, index: [u64; 2]) -> ChaCha8Rng {
    let words = [seed, purpose as u64, index[0], index[1]];
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// At most `most` of the numbers below n, without repetition, ascending.
pub fn sample(rng: &mut impl Rng, n: usize, most: usize) -> Vec<usize> {
    let mut picked = index::sample(rng, n, n.min(most)).into_vec();
    picked.sort_unstable();
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_key() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let base = first(0, Purpose::Init, [0, 0]);
        assert_eq!(base, first(0, Purpose::Init, [0, 0]));
        assert_ne!(base, first(1, Purpose::Init, [0, 0]));
        assert_ne!(base, first(0, Purpose::Batch, [0, 0]));
        assert_ne!(base, first(0, Purpose::Init, [1, 0]));
        assert_ne!(base, first(0, Purpose::Init, [0, 1]));
    }
}
