//! Scaling feature by feature, and division by the norm.

/// The largest scaled value: its square, summed over a layer, is still a finite float32.
pub(crate) const LIMIT: f64 = 1e15;

/// The map `x' = (x - shift) * scale` of each feature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scaler {
    /// `(d,)`
    pub(super) shift: Vec<f32>,
    /// `(d,)`
    pub(super) scale: Vec<f32>,
    /// Scaled values are clipped to `[-limit, limit]`.
    limit: f64,
    /// Not value by value: a row beyond the limit is shortened, and keeps its direction.
    shortens: bool,
}

impl Scaler {
    /// A scaler whose results a network may add up: they are clipped to [`LIMIT`]. A row that
    /// far out is anomalous either way.
    pub(super) fn new([shift, scale]: [Vec<f32>; 2]) -> Self {
        Self {
            shift,
            scale,
            limit: LIMIT,
            shortens: false,
        }
    }

    /// The same for rows whose distances follow: along a ray they must not fall.
    pub(super) fn before_distances(self) -> Self {
        Self {
            shortens: true,
            ..self
        }
    }

    /// The same for rows that are divided by their norm next: any finite float32 will do.
    pub(super) fn before_norm(self) -> Self {
        Self {
            limit: f64::from(f32::MAX),
            ..self
        }
    }

    /// Scales one row: `(d,)` to `(d,)`.
    pub(super) fn scale_into(&self, row: &[f32], out: &mut [f32]) {
        if self.shortens {
            out.copy_from_slice(row);
            return self.scale(out);
        }
        for (((out, x), shift), scale) in out.iter_mut().zip(row).zip(&self.shift).zip(&self.scale)
        {
            *out = self.scaled(*x, *shift, *scale, 1.0);
        }
    }

    /// Scales one row in its place.
    pub(super) fn scale(&self, row: &mut [f32]) {
        let columns = || self.shift.iter().zip(&self.scale);
        let most = row
            .iter()
            .zip(columns())
            .fold(0.0f64, |most, (x, (shift, scale))| {
                most.max(((f64::from(*x) - f64::from(*shift)) * f64::from(*scale)).abs())
            });
        let share = if self.shortens && most > self.limit {
            self.limit / most
        } else {
            1.0
        };
        for (x, (shift, scale)) in row.iter_mut().zip(columns()) {
            *x = self.scaled(*x, *shift, *scale, share);
        }
    }

    #[expect(clippy::inline_always, reason = "the loops around it vectorise")]
    #[inline(always)]
    fn scaled(&self, x: f32, shift: f32, scale: f32, share: f64) -> f32 {
        let scaled = (f64::from(x) - f64::from(shift)) * f64::from(scale) * share;
        // Not `clamp`, which would check its bounds again for every value.
        scaled.max(-self.limit).min(self.limit) as f32
    }

    /// Whether finite values, row after row, stay as they are, to the bit.
    pub(super) fn keeps(&self, values: &[f32]) -> bool {
        let is = |values: &[f32], one: f32| values.iter().all(|v| v.to_bits() == one.to_bits());
        let far = |x: f32| x.abs() > LIMIT as f32;
        is(&self.shift, 0.0)
            && is(&self.scale, 1.0)
            // Without leaving early, so that it vectorises.
            && (self.limit > LIMIT || !values.iter().fold(false, |any, x| any | far(*x)))
    }
}

/// Divides a row by its norm. The zero row has no direction and stays zero.
pub(crate) fn normalise(row: &mut [f32]) {
    // In float64: the square of a large float32 overflows.
    let norm = row
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 {
        for v in row {
            *v = (f64::from(*v) / norm) as f32;
        }
    }
}
