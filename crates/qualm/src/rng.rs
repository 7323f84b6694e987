//! One generator for all randomness, the eight-round `ChaCha`, keyed by what the numbers are for.
//!
//! A stream is a pure function of (seed, purpose, two indices), never of a thread or
//! of how many numbers some other part has drawn. That is what makes fits repeat bit
//! for bit at any thread count, and lets an interrupted fit go on from a step number.

use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. The numbers are part of the model format's
/// promise that a seed keeps its meaning: append, never renumber.
///
/// Numbers below 2^16 belong to this crate; another crate takes a block of its own with
/// [`Purpose::of_crate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(u64);

impl Purpose {
    /// First weights of a network; index: member.
    pub const INIT: Self = Self(1);
    /// Order of rows in an epoch, or the bags of a step; indices: member, epoch or step.
    pub const BATCH: Self = Self(2);
    /// Noise of the random views; indices: member, step.
    pub const VIEW: Self = Self(3);
    /// Frequencies of the kernel space; index: member.
    pub const FOURIER: Self = Self(4);
    /// Rows whose distances set the kernel bandwidth; index: member.
    pub const BANDWIDTH: Self = Self(5);
    /// K-means cells; index: member.
    pub const CELLS: Self = Self(6);
    /// Rows that an isolation tree is grown on; index: tree.
    pub const TREE_SAMPLE: Self = Self(7);
    /// Splits of an isolation tree; index: tree.
    pub const TREE_SPLITS: Self = Self(8);
    /// Rows whose distance is the score (`sp`, `lesinn`); index: subsample.
    pub const SAMPLE: Self = Self(9);
    /// First subsets of the minimum covariance determinant; indices: group, start.
    pub const SUBSET: Self = Self(10);
    /// Landmarks of an approximated kernel.
    pub const LANDMARKS: Self = Self(11);
    /// Triplets of a step of `repen`; index: step.
    pub const TRIPLETS: Self = Self(12);
    /// Rows kept of a table that is larger than asked for.
    pub const LIMIT: Self = Self(13);
    /// Rows that diagnostics are measured on.
    pub const DIAGNOSTICS: Self = Self(14);
    /// Which half a row belongs to.
    pub const HALVES: Self = Self(15);
    /// Rows that a kernel network keeps; index: member.
    pub const ANCHORS: Self = Self(17);
    /// Which view of an item a bag gets; indices: member, step.
    pub const DRAWN_VIEW: Self = Self(18);
    /// First weights of a convolution; index: layer.
    pub const CONVOLUTIONS: Self = Self(19);
    /// Rows of the contract checks.
    pub const CONTRACT: Self = Self(16);
    /// Ties of the scores of a stream; one number for each row that counts.
    pub const MONITOR: Self = Self(20);
    /// Items of a bootstrap; index: sample.
    pub const BOOTSTRAP: Self = Self(21);

    /// A purpose of another crate: its block, from 1, and a number within the block.
    ///
    /// ```
    /// use qualm::rng::Purpose;
    ///
    /// const CROPS: Purpose = Purpose::of_crate(1, 0);
    /// ```
    #[must_use]
    pub const fn of_crate(block: u32, number: u16) -> Self {
        Self((block as u64) << 16 | number as u64)
    }
}

/// The stream for one purpose and two indices, such as a member and a step.
#[must_use]
pub fn stream(seed: u64, purpose: Purpose, index: [u64; 2]) -> ChaCha8Rng {
    let words = [seed, purpose.0, index[0], index[1]];
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
        let base = first(0, Purpose::INIT, [0, 0]);
        assert_eq!(base, first(0, Purpose::INIT, [0, 0]));
        assert_ne!(base, first(1, Purpose::INIT, [0, 0]));
        assert_ne!(base, first(0, Purpose::BATCH, [0, 0]));
        assert_ne!(base, first(0, Purpose::INIT, [1, 0]));
        assert_ne!(base, first(0, Purpose::INIT, [0, 1]));
        assert_ne!(base, first(0, Purpose::of_crate(1, 1), [0, 0]));
    }
}
