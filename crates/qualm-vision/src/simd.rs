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

/// Places summed at once, in registers: enough additions that do not wait for each other.
const LANES: usize = 64;
/// The same for what is left of a line, and for short ones.
const FEWER: usize = 32;

/// Sums at places of a line. Mark the method `#[inline(always)]`.
pub(crate) trait Sums {
    /// Those of N places, from `at` on.
    fn sum<const N: usize>(&self, at: usize) -> [f32; N];
}

/// Fills a line with sums, many places at a time and what is left singly.
#[inline(always)]
pub(crate) fn fill(out: &mut [f32], sums: &impl Sums) {
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let (fewer, tail) = rest.as_chunks_mut::<FEWER>();
    let mut at = 0;
    for out in blocks {
        *out = sums.sum::<LANES>(at);
        at += LANES;
    }
    for out in fewer {
        *out = sums.sum::<FEWER>(at);
        at += FEWER;
    }
    for out in tail {
        [*out] = sums.sum::<1>(at);
        at += 1;
    }
}
