//! The inner loops of a convolution, and the one file of it with `unsafe`.
//!
//! The kernels work on images whose channels are contiguous (NHWC) and that have a border of
//! zeros. Then the values that a row of the kernel multiplies, `taps x channels`, are one
//! contiguous run, and a convolution is a sum of few runs: nothing is copied into columns.
//!
//! * [`convolve`] keeps a tile of `pixels x outputs` in registers and adds up
//!   `value x weights` over the runs. With other weights it carries gradients back.
//! * [`weight_gradient`] keeps a tile of `weights` in registers and adds up
//!   `value x gradients` over the pixels.
//! * [`convolve_pairs`] is the former for transformed rows, whose pixels come in pairs.
//!
//! Each sum is made by one thread in one order, which depends neither on the other pixels of its
//! tile nor on the number of images. A processor with other vectors may round differently.
//!
//! **Why it is sound.** The public functions are safe: [`Sweep::check`] computes the largest
//! index that the strides can reach in each slice, with checked arithmetic, and refuses a sweep
//! that leaves one. The kernels then add exactly these strides. The vector types are only used
//! behind [`Isa::detect`], which asks the processor. Tests compare every instruction set that
//! the processor has with the definition, in float64, over random shapes, and let each slice end
//! where the sweep does.
#![expect(
    unsafe_code,
    reason = "raw pointers and vector instructions; see above"
)]
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the oldest processor"
)]

pub(crate) use super::isa::Isa;
use super::pairs::{PLACES, ROWS};
use super::sweep::{BLOCK, Band, Finish, Sweep};

/// For every pixel, `out = finish(sum over runs of value x weights)`.
///
/// # Shapes
/// `weights`: `(n_out / 16, taps * run, 16)`.
pub(crate) fn convolve(
    isa: Isa,
    sweep: &Sweep,
    input: &[f32],
    weights: &[f32],
    out: &mut [f32],
    finish: Finish<'_>,
) {
    if sweep.n_pixels() == 0 || sweep.n_out == 0 {
        return;
    }
    sweep.check(input.len(), weights.len(), out.len());
    if let Some(bias) = finish.bias {
        assert_eq!(bias.len(), sweep.n_out, "the bias of a sweep");
    }
    let job = Job {
        sweep,
        input: input.as_ptr(),
        weights: weights.as_ptr(),
        out: out.as_mut_ptr(),
        finish,
    };
    // SAFETY: the checks above bound every index that the kernels compute, `out` is borrowed
    // uniquely, and `isa` is one that the processor has.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::convolve_avx512(&job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::convolve_avx2(&job),
            _ => convolve_blocks::<Portable, 2, 4, 2, 4>(&job),
        }
    }
}

/// Adds to every weight the sum over pixels of `value x gradient`.
///
/// # Shapes
/// `gradients`: what `sweep.out` describes; `sums`: `(taps * run, n_out)`.
pub(crate) fn weight_gradient(
    isa: Isa,
    sweep: &Sweep,
    input: &[f32],
    gradients: &[f32],
    sums: &mut [f32],
) {
    if sweep.n_pixels() == 0 || sweep.terms() * sweep.n_out == 0 {
        return;
    }
    sweep.check(input.len(), sums.len(), gradients.len());
    let job = WeightJob {
        sweep,
        input: input.as_ptr(),
        gradients: gradients.as_ptr(),
        sums: sums.as_mut_ptr(),
    };
    // SAFETY: as in `convolve`; `sums` is borrowed uniquely.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::weight_gradient_avx512(&job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::weight_gradient_avx2(&job),
            _ => weight_blocks::<Portable, 2, 4, 2, 4>(&job),
        }
    }
}

/// A row of a 3x3 convolution: `out = finish(sum of products)`, by pairs of pixels.
///
/// # Shapes
/// `input`: the three rows that the kernel's rows meet, each `(n_in / 16, pairs, 4, 16)`;
/// `weights`: `(n_out / 16, 3, n_in, 4, 16)`; `out`: `(cols, n_out)`.
pub(crate) fn convolve_pairs(
    isa: Isa,
    row: &PairRow,
    input: [&[f32]; ROWS],
    weights: &[f32],
    out: &mut [f32],
    finish: Finish<'_>,
) {
    let PairRow { n_in, n_out, cols } = *row;
    assert_eq!((n_in % BLOCK, n_out % BLOCK), (0, 0), "whole blocks");
    assert_eq!(
        weights.len(),
        ROWS * PLACES * n_in * n_out,
        "the weights of pairs"
    );
    assert_eq!(out.len(), cols * n_out, "the output of pairs");
    for input in input {
        assert_eq!(input.len(), row.len(), "the input of pairs");
    }
    if let Some(bias) = finish.bias {
        assert_eq!(bias.len(), n_out, "the bias of pairs");
    }
    let job = PairJob {
        row,
        input: input.map(<[f32]>::as_ptr),
        weights: weights.as_ptr(),
        out: out.as_mut_ptr(),
        finish,
    };
    // SAFETY: as in `convolve`.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::convolve_pairs_avx512(&job),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::convolve_pairs_avx2(&job),
            _ => pair_tiles::<Portable, 2>(&job),
        }
    }
}

/// A register of float32.
///
/// # Safety
/// Of all functions: the processor has the instruction set, and pointers are valid for `LANES`
/// values (`splat`: for one).
trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn splat(value: *const f32) -> Self;
    unsafe fn load(values: *const f32) -> Self;
    unsafe fn store(self, values: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn subtract(self, other: Self) -> Self;
    /// `self + a b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn relu(self) -> Self;
}

/// A convolution with its slices.
struct Job<'a> {
    sweep: &'a Sweep,
    input: *const f32,
    weights: *const f32,
    out: *mut f32,
    finish: Finish<'a>,
}

/// A gradient by weights with its slices.
struct WeightJob<'a> {
    sweep: &'a Sweep,
    input: *const f32,
    gradients: *const f32,
    sums: *mut f32,
}

/// All outputs: in pairs of blocks by tiles of `P2` pixels and `N2` vectors, a last single one
/// by tiles of `P1` pixels and `N1` vectors.
#[inline(always)]
unsafe fn convolve_blocks<
    V: Vector,
    const P1: usize,
    const N1: usize,
    const P2: usize,
    const N2: usize,
>(
    job: &Job<'_>,
) {
    let wide = N2 * V::LANES;
    let mut first = 0;
    // SAFETY: both take outputs below `n_out`.
    unsafe {
        while first + wide <= job.sweep.n_out {
            convolve_block::<V, P2, N2>(job, first);
            first += wide;
        }
        while first < job.sweep.n_out {
            convolve_block::<V, P1, N1>(job, first);
            first += N1 * V::LANES;
        }
    }
}

/// The place of an output among those of a pixel.
#[inline(always)]
fn place(sweep: &Sweep, output: usize) -> usize {
    output / BLOCK * sweep.block + output % BLOCK
}

/// The outputs of a block for all pixels.
#[inline(always)]
unsafe fn convolve_block<V: Vector, const P: usize, const N: usize>(job: &Job<'_>, first: usize) {
    let sweep = job.sweep;
    let n_pixels = sweep.n_pixels();
    let (mut image, mut row, mut col) = (0, 0, 0);
    let mut done = 0;
    while done < n_pixels {
        let n = P.min(n_pixels - done);
        let mut input = [job.input; P];
        let mut out = [job.out; P];
        for p in 0..P {
            if p < n {
                // SAFETY: `Sweep::check` bounds the offsets of all pixels.
                unsafe {
                    input[p] = job.input.add(sweep.input.at(image, row, col));
                    out[p] = job
                        .out
                        .add(sweep.out.at(image, row, col) + place(sweep, first));
                }
                col += 1;
                if col == sweep.cols {
                    (row, col) = (row + 1, 0);
                    if row == sweep.rows {
                        (image, row) = (image + 1, 0);
                    }
                }
            } else {
                // A last tile computes its last pixel again and writes it once.
                (input[p], out[p]) = (input[p - 1], out[p - 1]);
            }
        }
        // SAFETY: all pointers are those of pixels.
        unsafe { tile::<V, P, N>(job, &input, &out, n, first) };
        done += n;
    }
}

/// `P` pixels by `N` vectors of outputs.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "unrolled by the compiler over registers"
)]
unsafe fn tile<V: Vector, const P: usize, const N: usize>(
    job: &Job<'_>,
    input: &[*const f32; P],
    out: &[*mut f32; P],
    n: usize,
    first: usize,
) {
    let Sweep { taps, run, tap, .. } = *job.sweep;
    let block = taps * run * BLOCK;
    let input = *input;
    // SAFETY: blocks of outputs, runs and pixels are those that `Sweep::check` has bounded.
    unsafe {
        let mut sums = [[V::zero(); N]; P];
        let mut weights = job.weights.add(first / BLOCK * block);
        for t in 0..taps {
            for i in t * tap..t * tap + run {
                let mut w = [V::zero(); N];
                for v in 0..N {
                    let o = v * V::LANES;
                    w[v] = V::load(weights.add(o / BLOCK * block + o % BLOCK));
                }
                for p in 0..P {
                    let x = V::splat(input[p].add(i));
                    for v in 0..N {
                        sums[p][v] = sums[p][v].add_product(x, w[v]);
                    }
                }
                weights = weights.add(BLOCK);
            }
        }
        if let Some(bias) = job.finish.bias {
            for v in 0..N {
                let bias = V::load(bias.as_ptr().add(first + v * V::LANES));
                for p in 0..P {
                    sums[p][v] = sums[p][v].add(bias);
                }
            }
        }
        for p in 0..P {
            if p == n {
                break;
            }
            for v in 0..N {
                let to = out[p].add(place(job.sweep, v * V::LANES));
                write(job.finish, sums[p][v], to);
            }
        }
    }
}

/// Writes a finished sum; its bias has been added.
#[inline(always)]
unsafe fn write<V: Vector>(finish: Finish<'_>, mut sum: V, to: *mut f32) {
    // SAFETY: the caller's pointer is valid for a vector.
    unsafe {
        if finish.accumulate {
            sum = sum.add(V::load(to));
        }
        if finish.relu {
            sum = sum.relu();
        }
        sum.store(to);
    }
}

/// Pairs of pixels that a tile may hold, at most; transformed rows have room for whole tiles.
pub(crate) const PAIRS: usize = 4;

/// A row of a convolution by pairs of pixels; see `pairs.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairRow {
    /// Multiples of [`BLOCK`].
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
    /// Pixels of the output.
    pub(crate) cols: usize,
}

/// A row by pairs with its slices.
struct PairJob<'a> {
    row: &'a PairRow,
    input: [*const f32; ROWS],
    weights: *const f32,
    out: *mut f32,
    finish: Finish<'a>,
}

/// All outputs of a row, in tiles of `Q` pairs by one vector.
#[inline(always)]
unsafe fn pair_tiles<V: Vector, const Q: usize>(job: &PairJob<'_>) {
    const { assert!(PAIRS.is_multiple_of(Q), "whole tiles") };
    for first in (0..job.row.n_out).step_by(V::LANES) {
        for pair in (0..job.row.cols.div_ceil(2)).step_by(Q) {
            // SAFETY: outputs below `n_out`, and a tile that there is room for.
            unsafe { pair_tile::<V, Q>(job, pair, first) };
        }
    }
}

/// `Q` pairs from one on, by one vector of outputs.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "unrolled by the compiler over registers"
)]
unsafe fn pair_tile<V: Vector, const Q: usize>(job: &PairJob<'_>, pair: usize, first: usize) {
    const STEP: usize = PLACES * BLOCK;
    let PairRow { n_in, n_out, cols } = *job.row;
    let block = job.row.n_pairs() * STEP;
    // SAFETY: `convolve_pairs` has checked the lengths of all slices.
    unsafe {
        let mut sums = [[V::zero(); PLACES]; Q];
        let weights = first / BLOCK * ROWS * n_in * STEP + first % BLOCK;
        let mut weights = job.weights.add(weights);
        for t in 0..ROWS {
            for b in 0..n_in / BLOCK {
                let input = job.input[t].add(b * block + pair * STEP);
                for i in 0..BLOCK {
                    let mut w = [V::zero(); PLACES];
                    for p in 0..PLACES {
                        w[p] = V::load(weights.add(p * BLOCK));
                    }
                    for q in 0..Q {
                        for p in 0..PLACES {
                            let x = V::splat(input.add(q * STEP + p * BLOCK + i));
                            sums[q][p] = sums[q][p].add_product(x, w[p]);
                        }
                    }
                    weights = weights.add(STEP);
                }
            }
        }
        let bias = match job.finish.bias {
            Some(bias) => V::load(bias.as_ptr().add(first)),
            None => V::zero(),
        };
        for q in 0..Q {
            let [a, b, c, d] = sums[q];
            let pixels = [a.add(b).add(c), b.subtract(c).subtract(d)];
            for (n, pixel) in pixels.into_iter().enumerate() {
                let col = 2 * (pair + q) + n;
                if col < cols {
                    let to = job.out.add(col * n_out + first);
                    write(job.finish, pixel.add(bias), to);
                }
            }
        }
    }
}

/// All weights: pairs of blocks of outputs by `J2` values, a last single one by `J1`.
#[inline(always)]
unsafe fn weight_blocks<
    V: Vector,
    const J1: usize,
    const N1: usize,
    const J2: usize,
    const N2: usize,
>(
    job: &WeightJob<'_>,
) {
    let sweep = job.sweep;
    let wide = N2 * V::LANES;
    for band in Band::cut(sweep) {
        for t in 0..sweep.taps {
            let mut first = 0;
            // SAFETY: all take outputs below `n_out` and taps that there are.
            unsafe {
                while first + wide <= sweep.n_out {
                    weight_block::<V, J2, N2>(job, &band, t, first);
                    first += wide;
                }
                while first < sweep.n_out {
                    weight_block::<V, J1, N1>(job, &band, t, first);
                    first += N1 * V::LANES;
                }
            }
        }
    }
}

/// The weights of one run and one block of outputs.
#[inline(always)]
unsafe fn weight_block<V: Vector, const J: usize, const N: usize>(
    job: &WeightJob<'_>,
    band: &Band,
    t: usize,
    first: usize,
) {
    let run = job.sweep.run;
    let mut j = 0;
    // SAFETY: values of the run below its length.
    unsafe {
        while j + J <= run {
            weight_tile::<V, J, N>(job, band, t, j, first);
            j += J;
        }
        while j + 4 <= run {
            weight_tile::<V, 4, N>(job, band, t, j, first);
            j += 4;
        }
        while j < run {
            weight_tile::<V, 1, N>(job, band, t, j, first);
            j += 1;
        }
    }
}

/// `J` values of a run by `N` vectors of outputs.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "unrolled by the compiler over registers"
)]
unsafe fn weight_tile<V: Vector, const J: usize, const N: usize>(
    job: &WeightJob<'_>,
    band: &Band,
    t: usize,
    j: usize,
    first: usize,
) {
    let sweep = job.sweep;
    // SAFETY: images, rows, runs and outputs are those that `Sweep::check` has bounded.
    unsafe {
        let mut sums = [[V::zero(); N]; J];
        for image in band.images.0..band.images.1 {
            for row in band.rows.0..band.rows.1 {
                let mut input = job
                    .input
                    .add(sweep.input.at(image, row, 0) + t * sweep.tap + j);
                let mut gradients = job
                    .gradients
                    .add(sweep.out.at(image, row, 0) + place(sweep, first));
                for col in 0..sweep.cols {
                    let mut g = [V::zero(); N];
                    for v in 0..N {
                        g[v] = V::load(gradients.add(place(sweep, v * V::LANES)));
                    }
                    for i in 0..J {
                        let x = V::splat(input.add(i));
                        for v in 0..N {
                            sums[i][v] = sums[i][v].add_product(x, g[v]);
                        }
                    }
                    if col + 1 < sweep.cols {
                        input = input.add(sweep.input.pixel);
                        gradients = gradients.add(sweep.out.pixel);
                    }
                }
            }
        }
        for i in 0..J {
            let to = job.sums.add((t * sweep.run + j + i) * sweep.n_out + first);
            for v in 0..N {
                let to = to.add(v * V::LANES);
                V::load(to).add(sums[i][v]).store(to);
            }
        }
    }
}

/// Four values, for the compiler to make the best of.
#[derive(Clone, Copy)]
struct Portable([f32; 4]);

impl Vector for Portable {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 4])
    }

    #[inline(always)]
    unsafe fn splat(value: *const f32) -> Self {
        // SAFETY: the caller's.
        Self([unsafe { *value }; 4])
    }

    #[inline(always)]
    unsafe fn load(values: *const f32) -> Self {
        // SAFETY: the caller's.
        Self(unsafe { values.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, values: *mut f32) {
        // SAFETY: the caller's.
        unsafe { values.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| {
            // Where every processor has it; elsewhere `mul_add` would call a function.
            if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                a.0[i].mul_add(b.0[i], self.0[i])
            } else {
                self.0[i] + a.0[i] * b.0[i]
            }
        }))
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|v| if v < 0.0 { 0.0 } else { v }))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps,
        _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_storeu_ps, _mm512_sub_ps,
    };

    use super::{Job, PairJob, Vector, WeightJob, convolve_blocks, pair_tiles, weight_blocks};

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn convolve_avx512(job: &Job<'_>) {
        // SAFETY: the caller's.
        unsafe { convolve_blocks::<__m512, 16, 1, 8, 2>(job) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn weight_gradient_avx512(job: &WeightJob<'_>) {
        // SAFETY: the caller's.
        unsafe { weight_blocks::<__m512, 16, 1, 8, 2>(job) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn convolve_pairs_avx512(job: &PairJob<'_>) {
        // SAFETY: the caller's.
        unsafe { pair_tiles::<__m512, 4>(job) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn convolve_pairs_avx2(job: &PairJob<'_>) {
        // SAFETY: the caller's.
        unsafe { pair_tiles::<__m256, 2>(job) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn convolve_avx2(job: &Job<'_>) {
        // SAFETY: the caller's.
        unsafe { convolve_blocks::<__m256, 6, 2, 6, 2>(job) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn weight_gradient_avx2(job: &WeightJob<'_>) {
        // SAFETY: the caller's.
        unsafe { weight_blocks::<__m256, 6, 2, 6, 2>(job) }
    }

    macro_rules! vector {
        ($vector:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $subtract:ident, $fma:ident, $max:ident) => {
            impl Vector for $vector {
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller's, as below.
                    unsafe { $zero() }
                }

                #[inline(always)]
                unsafe fn splat(value: *const f32) -> Self {
                    unsafe { $splat(*value) }
                }

                #[inline(always)]
                unsafe fn load(values: *const f32) -> Self {
                    unsafe { $load(values) }
                }

                #[inline(always)]
                unsafe fn store(self, values: *mut f32) {
                    unsafe { $store(values, self) }
                }

                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    unsafe { $add(self, other) }
                }

                #[inline(always)]
                unsafe fn subtract(self, other: Self) -> Self {
                    unsafe { $subtract(self, other) }
                }

                #[inline(always)]
                unsafe fn add_product(self, a: Self, b: Self) -> Self {
                    unsafe { $fma(a, b, self) }
                }

                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // Of two operands of which one is NaN, the instruction gives the second.
                    unsafe { $max($zero(), self) }
                }
            }
        };
    }

    vector!(
        __m512,
        16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps
    );
    vector!(
        __m256,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps
    );
}
