//! Loops compiled for every instruction set that the processor may have.

/// Runs loops with the widest vectors of this processor. No operation is contracted or reordered:
/// the bits are the same whichever vectors there are.
///
/// `f` and what it calls must be marked `#[inline(always)]`: what is not inlined is compiled for
/// the oldest processor.
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
