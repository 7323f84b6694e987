//! Loops compiled for every instruction set that the processor may have.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

/// Runs loops with the widest vectors of this processor. No operation is contracted or reordered:
/// the bits are the same whichever vectors there are.
///
/// `f` and what it calls must be marked `#[inline(always)]`: what is not inlined is compiled for
/// the oldest processor.
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Places summed at once, in registers.
const LANES: usize = 32;

/// Sums at places of a line. Mark the method `#[inline(always)]`.
pub(crate) trait Sums {
    /// Those of N places, from `at` on.
    fn sum<const N: usize>(&self, at: usize) -> [f32; N];
}

/// Fills a line with sums, many places at a time and what is left singly.
#[inline(always)]
pub(crate) fn fill(out: &mut [f32], sums: &impl Sums) {
    let n = out.len();
    let (blocks, tail) = out.as_chunks_mut::<LANES>();
    for (block, out) in blocks.iter_mut().enumerate() {
        *out = sums.sum::<LANES>(block * LANES);
    }
    for (i, out) in tail.iter_mut().enumerate() {
        [*out] = sums.sum::<1>(n - n % LANES + i);
    }
}
