//! What a kernel is to do: which pixels, where they lie, and what becomes of a sum.

/// Outputs are computed in blocks of so many: their number must be a multiple.
pub(crate) const BLOCK: usize = 16;

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
    pub(super) fn at(&self, image: usize, row: usize, col: usize) -> usize {
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

    pub(super) fn n_pixels(&self) -> usize {
        self.images * self.rows * self.cols
    }

    /// Panics if the strides leave one of the slices, or weights have another size: that would
    /// be an error in the layer that made the sweep.
    pub(super) fn check(&self, input: usize, weights: usize, out: usize) {
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

/// Bytes of input and gradients that a pass over some pixels may touch, to stay in the first
/// cache.
const BAND_BYTES: usize = 24 << 10;
/// Fewer pixels than this are not worth a pass: sums are read and written once each.
const BAND_PIXELS: usize = 64;

/// Some images, or some rows of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) images: (usize, usize),
    pub(super) rows: (usize, usize),
}

impl Band {
    /// All pixels of a sweep in turn, as many at a time as stay in the cache.
    pub(super) fn cut(sweep: &Sweep) -> impl Iterator<Item = Self> {
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
