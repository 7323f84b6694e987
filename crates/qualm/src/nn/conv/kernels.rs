//! The inner loops of a convolution, and the one file of it with `unsafe`.
//!
//! Both kernels work on images whose channels are contiguous (NHWC) and that have a border of
//! zeros. Then the values that a row of the kernel multiplies, `taps x channels`, are one
//! contiguous run, and a convolution is a sum of few runs: nothing is copied into columns.
//!
//! * [`convolve`] keeps a tile of `pixels x outputs` in registers and adds up
//!   `value x weights` over the runs. With other weights it carries gradients back.
//! * [`weight_gradient`] keeps a tile of `weights` in registers and adds up
//!   `value x gradients` over the pixels.
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

use std::sync::OnceLock;

/// Outputs are computed in blocks of so many: their number must be a multiple.
pub(crate) const BLOCK: usize = 16;

/// Instruction sets that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// 32 registers of 16 values.
    Avx512,
    /// 16 registers of 8 values, with fused multiply-add.
    Avx2,
    /// What the compiler makes of arrays of 4.
    Portable,
}

impl Isa {
    /// Those that this processor has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }

    /// The best that this processor has. For measurements, `QUALM_CONV_ISA` set to `avx2` or
    /// `portable` asks for a lesser one in builds with the feature `internals`.
    pub(crate) fn detect() -> Self {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let available = Self::available();
            #[cfg(feature = "internals")]
            if let Ok(word) = std::env::var("QUALM_CONV_ISA") {
                let wanted = if word == "avx2" {
                    Self::Avx2
                } else {
                    Self::Portable
                };
                if available.contains(&wanted) {
                    return wanted;
                }
            }
            available[0]
        })
    }
}

/// Where the pixels of some images lie in a slice: values from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The first pixel's first value.
    pub(crate) start: usize,
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) pixel: usize,
}

/// One pass over the output pixels of some images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// Output pixels.
    pub(crate) images: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// A pixel's sum goes over so many runs of the input,
    pub(crate) taps: usize,
    /// of so many values each,
    pub(crate) run: usize,
    /// which begin so many values apart.
    pub(crate) tap: usize,
    /// Outputs of a pixel, a multiple of [`BLOCK`].
    pub(crate) n_out: usize,
    /// Values from one block of a pixel's outputs to the next.
    pub(crate) block: usize,
    /// The first run of each pixel.
    pub(crate) input: Grid,
    /// The outputs of each pixel, or the gradients by them.
    pub(crate) out: Grid,
}

/// What becomes of a sum before it is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    /// Adds to what the output holds already.
    pub(crate) accumulate: bool,
    /// Adds a number to each output: `(n_out,)`.
    pub(crate) bias: Option<&'a [f32]>,
    /// Replaces negative values by zero. NaN stays NaN.
    pub(crate) relu: bool,
}

impl Grid {
    /// The offset of a pixel.
    fn at(&self, image: usize, row: usize, col: usize) -> usize {
        self.start + image * self.image + row * self.row + col * self.pixel
    }

    /// One past the last value, if each pixel has so many; `None` on overflow.
    fn end(&self, [images, rows, cols]: [usize; 3], width: usize) -> Option<usize> {
        let mut end = self.start.checked_add(width)?;
        for (n, step) in [(images, self.image), (rows, self.row), (cols, self.pixel)] {
            end = end.checked_add((n - 1).checked_mul(step)?)?;
        }
        Some(end)
    }
}

impl Sweep {
    /// Terms of a sum.
    pub(crate) fn terms(&self) -> usize {
        self.taps * self.run
    }

    fn n_pixels(&self) -> usize {
        self.images * self.rows * self.cols
    }

    /// Panics if the strides leave one of the slices, or weights have another size: that would
    /// be an error in the layer that made the sweep.
    fn check(&self, input: usize, weights: usize, out: usize) {
        let pixels = [self.images, self.rows, self.cols];
        let n_weights = self
            .taps
            .checked_mul(self.run)
            .and_then(|terms| terms.checked_mul(self.n_out));
        assert_eq!(n_weights, Some(weights), "the weights of a sweep");
        assert_eq!(self.n_out % BLOCK, 0, "outputs come in blocks");
        let reach = self
            .taps
            .checked_sub(1)
            .and_then(|taps| taps.checked_mul(self.tap))
            .and_then(|last| last.checked_add(self.run))
            .and_then(|width| self.input.end(pixels, width));
        assert!(reach.is_some_and(|end| end <= input), "a sweep's input");
        let reach = (self.n_out / BLOCK - 1)
            .checked_mul(self.block)
            .and_then(|last| last.checked_add(BLOCK))
            .and_then(|width| self.out.end(pixels, width));
        assert!(reach.is_some_and(|end| end <= out), "a sweep's output");
    }
}

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
                let mut sum = sums[p][v];
                if job.finish.accumulate {
                    sum = sum.add(V::load(to));
                }
                if job.finish.relu {
                    sum = sum.relu();
                }
                sum.store(to);
            }
        }
    }
}

/// Bytes of input and gradients that a pass over some pixels may touch, to stay in the first
/// cache.
const BAND_BYTES: usize = 24 << 10;
/// Fewer pixels than this are not worth a pass: sums are read and written once each.
const BAND_PIXELS: usize = 64;

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

/// Some images, or some rows of one image.
struct Band {
    images: (usize, usize),
    rows: (usize, usize),
}

impl Band {
    /// All pixels of a sweep in turn, as many at a time as stay in the cache.
    fn cut(sweep: &Sweep) -> impl Iterator<Item = Self> {
        let bytes = 4 * sweep.cols * (sweep.input.pixel + sweep.out.pixel);
        let most = (BAND_BYTES / bytes.max(1)).max(BAND_PIXELS.div_ceil(sweep.cols));
        let n_rows = most.min(sweep.rows);
        let n_images = (most / sweep.rows).clamp(1, sweep.images);
        let (images, rows) = (sweep.images, sweep.rows);
        (0..images).step_by(n_images).flat_map(move |image| {
            (0..rows).step_by(n_rows).map(move |row| Self {
                images: (image, (image + n_images).min(images)),
                rows: (row, (row + n_rows).min(rows)),
            })
        })
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
        _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{Job, Vector, WeightJob, convolve_blocks, weight_blocks};

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
        ($vector:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident, $max:ident) => {
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
        _mm256_fmadd_ps,
        _mm256_max_ps
    );
}
