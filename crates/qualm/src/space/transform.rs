//! A space fitted to rows: normal scores where asked for, scaling, then projection.

use std::borrow::Cow;

use rayon::prelude::*;

use super::columns::Columns;
use super::fourier::Fourier;
use super::normal_scores::NormalScores;
use super::options::{MemberMetric, Scaling, SpaceOptions};
use super::scaler::{Scaler, normalise};
use super::whitened::Whitened;
use crate::container::{Reader, Writer};
use crate::error::{Error, Result};
use crate::fit::Meter;
use crate::nn::Threads;
use crate::reference::Reference;
use crate::rows::Rows;

/// A space fitted to rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Space {
    /// Columns by rank, before they are scaled.
    normal_scores: Option<NormalScores>,
    scaler: Scaler,
    projection: Projection,
}

/// What follows the scaling.
#[derive(Debug, Clone, PartialEq)]
enum Projection {
    /// Nothing.
    None,
    /// Division by the norm.
    Norm,
    /// Whitening.
    Whitened(Whitened),
    /// Division by the norm, then whitening.
    UnitWhitened(Whitened),
    /// Random Fourier features.
    Fourier(Fourier),
}

impl Projection {
    /// One that learns nothing from the rows.
    fn plain(options: SpaceOptions) -> Self {
        match options {
            SpaceOptions::Scaled(Scaling::Unit | Scaling::Sphere, _)
            | SpaceOptions::CentredUnit => Self::Norm,
            SpaceOptions::Exact(kernel) if kernel.unit_rows() => Self::Norm,
            _ => Self::None,
        }
    }

    /// The whitening of a sample of rows that are scaled already.
    fn whitened(
        mut sample: Vec<f32>,
        d: usize,
        options: SpaceOptions,
        reference: Reference,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let plain = Self::plain(options);
        if plain == Self::Norm {
            sample.chunks_exact_mut(d).for_each(normalise);
        }
        let map = Whitened::fit(Rows::checked(&sample, d), reference, meter)?;
        Ok(plain.before(map))
    }

    /// Whitening after this.
    fn before(self, map: Whitened) -> Self {
        if self == Self::Norm {
            Self::UnitWhitened(map)
        } else {
            Self::Whitened(map)
        }
    }
}

/// Whether a member sees normal scores.
fn is_scored(options: SpaceOptions, member: u64) -> bool {
    match options {
        SpaceOptions::Kernel(kernel) | SpaceOptions::Exact(kernel) => {
            kernel.metric_of(member) == MemberMetric::Normal
        }
        _ => false,
    }
}

/// The rows that a member's covariance is of, where it sees whitened ones.
fn whitening(options: SpaceOptions, member: u64) -> Option<Reference> {
    match options {
        SpaceOptions::Scaled(Scaling::Robust, reference) | SpaceOptions::Whitened(reference) => {
            Some(reference)
        }
        SpaceOptions::Exact(kernel) => kernel.is_robust(member).then_some(kernel.reference),
        _ => None,
    }
}

/// The scaler of this shift and scale.
fn scaler(options: SpaceOptions, scaling: [Vec<f32>; 2]) -> Scaler {
    let scaler = Scaler::new(scaling);
    let unit = match options {
        SpaceOptions::Scaled(scaling, _) => scaling == Scaling::Unit,
        SpaceOptions::Whitened(_) => false,
        SpaceOptions::CentredUnit => true,
        SpaceOptions::Kernel(kernel) | SpaceOptions::Exact(kernel) => kernel.unit_rows(),
    };
    let distances = matches!(
        options,
        SpaceOptions::Exact(_)
            | SpaceOptions::Whitened(_)
            | SpaceOptions::Scaled(Scaling::Robust, _)
    );
    match (unit, distances) {
        (true, _) => scaler.before_norm(),
        (false, true) => scaler.before_distances(),
        (false, false) => scaler,
    }
}

/// A value of a scaled column as it was before.
fn unscaled(((value, shift), scale): ((&f64, &f32), &f32)) -> f64 {
    value / f64::from(*scale) + f64::from(*shift)
}

impl Space {
    /// Learns scaling, covariance, bandwidth and frequencies from rows.
    ///
    /// # Errors
    /// [`Error::NoVariance`] when every column is constant; [`Error::Stopped`].
    pub(crate) fn fit(
        options: SpaceOptions,
        rows: Rows<'_>,
        seed: u64,
        member: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let columns = Columns::from_rows(rows);
        if columns.constant().all(|constant| constant) {
            return Err(Error::NoVariance {
                n_rows: rows.n_rows(),
            });
        }
        let normal_scores = is_scored(options, member).then(|| NormalScores::fit(rows));
        let Some(scores) = normal_scores else {
            return Self::fit_scaled(options, &columns, rows, seed, member, meter);
        };
        let d = rows.n_cols();
        let mut values = rows.as_slice().to_vec();
        values
            .par_chunks_exact_mut(d)
            .for_each(|row| scores.score(row));
        let scored = Rows::checked(&values, d);
        let columns = Columns::from_rows(scored);
        Ok(Self {
            normal_scores: Some(scores),
            ..Self::fit_scaled(options, &columns, scored, seed, member, meter)?
        })
    }

    /// The space of rows whose columns are as they are to be scaled.
    fn fit_scaled(
        options: SpaceOptions,
        columns: &Columns,
        rows: Rows<'_>,
        seed: u64,
        member: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let n_features = rows.n_cols();
        let unscaled = || [vec![0.0; n_features], vec![1.0; n_features]];
        let scaling = match options {
            SpaceOptions::CentredUnit => [columns.mean_f32(), vec![1.0; n_features]],
            SpaceOptions::Scaled(Scaling::Minmax, _) => columns.minmax(),
            SpaceOptions::Scaled(Scaling::Identity | Scaling::Unit, _)
            | SpaceOptions::Whitened(_) => unscaled(),
            SpaceOptions::Kernel(kernel) | SpaceOptions::Exact(kernel) if kernel.unit_rows() => {
                unscaled()
            }
            SpaceOptions::Scaled(Scaling::Standardise | Scaling::Sphere | Scaling::Robust, _)
            | SpaceOptions::Kernel(_)
            | SpaceOptions::Exact(_) => columns.standard(),
        };
        let scaler = scaler(options, scaling);
        let reference = whitening(options, member);
        let projection = match (options, reference) {
            (_, Some(reference)) => {
                let mut sample = Whitened::sample(rows, seed, member);
                for row in sample.chunks_exact_mut(n_features) {
                    scaler.scale(row);
                }
                Projection::whitened(sample, n_features, options, reference, meter)?
            }
            (SpaceOptions::Kernel(kernel), None) => {
                let fourier = Fourier::draw(&scaler, kernel, rows, seed, member, meter)?;
                Projection::Fourier(fourier)
            }
            (learns_nothing, None) => Projection::plain(learns_nothing),
        };
        Ok(Self {
            normal_scores: None,
            scaler,
            projection,
        })
    }

    /// Writes what [`Space::fit`] learned.
    pub(crate) fn save(&self, prefix: &str, writer: &mut Writer) {
        let Scaler { shift, scale, .. } = &self.scaler;
        writer.f32(format!("{prefix}.shift"), &[shift.len()], shift);
        writer.f32(format!("{prefix}.scaling"), &[scale.len()], scale);
        if let Some(scores) = &self.normal_scores {
            scores.save(prefix, writer);
        }
        match &self.projection {
            Projection::None | Projection::Norm => {}
            Projection::Whitened(map) | Projection::UnitWhitened(map) => {
                map.save(&format!("{prefix}.metric"), writer);
            }
            Projection::Fourier(fourier) => {
                let shape = [fourier.n_in, fourier.n_out() / 2];
                writer.f32(
                    format!("{prefix}.frequencies"),
                    &shape,
                    &fourier.frequencies,
                );
            }
        }
    }

    /// Reads what [`Space::save`] wrote.
    ///
    /// # Errors
    /// [`Error::CorruptModel`].
    pub(crate) fn restore(
        options: SpaceOptions,
        n_in: usize,
        member: u64,
        prefix: &str,
        reader: &mut Reader,
    ) -> Result<Self> {
        let shift = reader.f32(&format!("{prefix}.shift"), &[n_in])?;
        let scale = reader.f32(&format!("{prefix}.scaling"), &[n_in])?;
        let projection = match options {
            _ if whitening(options, member).is_some() => {
                let map = Whitened::restore(&format!("{prefix}.metric"), n_in, reader)?;
                Projection::plain(options).before(map)
            }
            SpaceOptions::Kernel(kernel) => {
                let shape = [n_in, kernel.fourier_features / 2];
                Projection::Fourier(Fourier {
                    frequencies: reader.f32(&format!("{prefix}.frequencies"), &shape)?,
                    n_in,
                    unit_rows: kernel.unit_rows(),
                })
            }
            learns_nothing => Projection::plain(learns_nothing),
        };
        let normal_scores =
            is_scored(options, member).then(|| NormalScores::restore(n_in, prefix, reader));
        Ok(Self {
            normal_scores: normal_scores.transpose()?,
            scaler: scaler(options, [shift, scale]),
            projection,
        })
    }

    /// Width of the rows this space takes.
    pub(crate) fn n_in(&self) -> usize {
        self.scaler.shift.len()
    }

    /// Width of the vectors it makes.
    pub(crate) fn n_out(&self) -> usize {
        match &self.projection {
            Projection::Fourier(fourier) => fourier.n_out(),
            _ => self.n_in(),
        }
    }

    /// Scales one row: `(n_in,)` to `(n_in,)`.
    pub(crate) fn scale_into(&self, row: &[f32], out: &mut [f32]) {
        let Some(scores) = &self.normal_scores else {
            return self.scaler.scale_into(row, out);
        };
        out.copy_from_slice(row);
        scores.score(out);
        self.scaler.scale(out);
    }

    /// Whether rows are whitened.
    pub(crate) fn whitens(&self) -> bool {
        self.whitening().is_some()
    }

    /// The centre of a whitened space, among rows that are not scaled yet: `(n_in,)`.
    pub(crate) fn centre(&self) -> Option<Vec<f64>> {
        let Scaler { shift, scale, .. } = &self.scaler;
        let columns = self.whitening()?.centre().iter().zip(shift).zip(scale);
        Some(columns.map(unscaled).collect())
    }

    /// Moves a row towards the centre of a whitened space, to this share of its way from there.
    pub(crate) fn towards_centre(&self, row: &mut [f32], share: f64) {
        let Some(map) = self.whitening() else {
            return;
        };
        let Scaler { shift, scale, .. } = &self.scaler;
        self.scaler.scale(row);
        let columns = map.centre().iter().zip(shift).zip(scale);
        for (x, ((centre, shift), scale)) in row.iter_mut().zip(columns) {
            let moved = centre + share * (f64::from(*x) - centre);
            *x = unscaled(((&moved, shift), scale)) as f32;
        }
    }

    /// The whitening of a whitened space.
    fn whitening(&self) -> Option<&Whitened> {
        match &self.projection {
            Projection::Whitened(map) | Projection::UnitWhitened(map) => Some(map),
            _ => None,
        }
    }

    /// Whether scaling leaves these rows, to the bit, as they are, so that they can be used in
    /// place.
    pub(crate) fn keeps(&self, rows: Rows<'_>) -> bool {
        self.normal_scores.is_none() && self.scaler.keeps(rows.as_slice())
    }

    /// Whether scaled rows are the vectors already, and need no [`Space::project_into`].
    pub(crate) fn only_scales(&self) -> bool {
        matches!(self.projection, Projection::None)
    }

    /// Whether column j of the vectors is column j of the rows.
    pub(crate) fn keeps_columns(&self) -> bool {
        matches!(self.projection, Projection::None | Projection::Norm)
    }

    /// Projects rows that are scaled.
    ///
    /// # Shapes
    /// `scaled`: `(n, n_in)`; `out`: `(n, n_out)`, overwritten.
    pub(crate) fn project_into(&self, scaled: &[f32], out: &mut [f32], threads: Threads) {
        match &self.projection {
            Projection::None => out.copy_from_slice(scaled),
            Projection::Norm => {
                out.copy_from_slice(scaled);
                let d = self.n_in();
                match threads {
                    Threads::One => out.chunks_exact_mut(d).for_each(normalise),
                    Threads::All => out.par_chunks_exact_mut(d).for_each(normalise),
                }
            }
            Projection::Whitened(map) => map.project_into(scaled, out),
            Projection::UnitWhitened(map) => {
                let mut unit = scaled.to_vec();
                unit.chunks_exact_mut(self.n_in()).for_each(normalise);
                map.project_into(&unit, out);
            }
            Projection::Fourier(fourier) => fourier.project_into(scaled, out, threads),
        }
    }

    /// The vectors of rows in a space without a kernel, `(n, n_in)`: the rows themselves where
    /// the space keeps them.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(crate) fn vectors<'a>(
        &self,
        rows: Rows<'a>,
        meter: &mut Meter<'_>,
    ) -> Result<Cow<'a, [f32]>> {
        if self.only_scales() && self.keeps(rows) {
            return Ok(Cow::Borrowed(rows.as_slice()));
        }
        let d = self.n_in();
        let mut vectors = vec![0.0; rows.as_slice().len()];
        let transform = |(row, out): (&[f32], &mut [f32])| {
            self.scale_into(row, out);
            if let Projection::Norm = self.projection {
                normalise(out);
            }
        };
        rows.as_slice()
            .par_chunks_exact(d)
            .zip(vectors.par_chunks_exact_mut(d))
            .with_min_len(256)
            .for_each(transform);
        if let Projection::Whitened(map) = &self.projection {
            vectors = map.map(Rows::checked(&vectors, d), meter)?;
        }
        Ok(Cow::Owned(vectors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;
    use crate::rows::Matrix;
    use crate::space::{KernelMetric, KernelOptions, KernelScaling};

    const KERNEL: SpaceOptions = SpaceOptions::Kernel(KernelOptions {
        bandwidth: 1.0,
        fourier_features: 256,
        scaling: KernelScaling::Standardise,
        metric: KernelMetric::Euclidean,
        reference: Reference::Mixed,
    });

    fn scaled_by(scaling: Scaling) -> SpaceOptions {
        SpaceOptions::Scaled(scaling, Reference::Mixed)
    }

    fn transform(options: SpaceOptions, data: &[f32], n_cols: usize) -> Vec<f32> {
        let rows = Rows::new(data, n_cols).unwrap();
        let space = Space::fit(options, rows, 0, 0, &mut Meter::new(&mut ())).unwrap();
        let mut scaled = vec![0.0; data.len()];
        for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(n_cols)) {
            space.scale_into(row, out);
        }
        let mut out = vec![0.0; rows.n_rows() * space.n_out()];
        space.project_into(&scaled, &mut out, Threads::One);
        out
    }

    const DATA: [f32; 6] = [1.0, 10.0, 2.0, 30.0, 3.0, 20.0];

    #[test]
    fn minmax_and_standardise_by_hand() {
        assert_eq!(
            transform(scaled_by(Scaling::Minmax), &DATA, 2),
            [0.0, 0.0, 0.5, 1.0, 1.0, 0.5]
        );
        let r = 1.5f32.sqrt();
        for (found, expected) in transform(scaled_by(Scaling::Standardise), &DATA, 2)
            .iter()
            .zip([-r, -r, 0.0, r, r, 0.0])
        {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn spheres_have_unit_norm_even_for_huge_values() {
        let huge = DATA.map(|v| v * 1e37);
        for options in [scaled_by(Scaling::Unit), scaled_by(Scaling::Sphere), KERNEL] {
            for data in [DATA, huge] {
                let out = transform(options, &data, 2);
                for row in out.chunks_exact(out.len() / 3) {
                    let norm: f32 = row.iter().map(|v| v * v).sum::<f32>();
                    assert!((norm - 1.0).abs() < 1e-5, "{options:?}: {norm}");
                }
            }
        }
    }

    #[test]
    fn a_constant_column_is_zero_where_fitted_and_shows_where_new() {
        let rows = Matrix::new(vec![0.1, 1.0, 0.1, 2.0, 0.1, 4.0], 2).unwrap();
        for scaling in [Scaling::Minmax, Scaling::Standardise] {
            let space = Space::fit(
                scaled_by(scaling),
                rows.rows(),
                0,
                0,
                &mut Meter::new(&mut ()),
            )
            .unwrap();
            let mut out = [0.0; 2];
            space.scale_into(&[0.1, 1.0], &mut out);
            assert_eq!(out[0], 0.0);
            space.scale_into(&[2.1, 1.0], &mut out);
            assert!((out[0] - 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn rows_are_kept_where_scaling_would_not_change_a_bit() {
        let far = DATA.map(|v| v * 1e15);
        for (options, data, expected) in [
            (scaled_by(Scaling::Identity), DATA, true),
            (scaled_by(Scaling::Identity), far, false),
            (scaled_by(Scaling::Unit), DATA, true),
            (scaled_by(Scaling::Unit), far, true),
            (SpaceOptions::CentredUnit, DATA, false),
            (scaled_by(Scaling::Minmax), DATA, false),
            (scaled_by(Scaling::Sphere), DATA, false),
        ] {
            let rows = Rows::new(&data, 2).unwrap();
            let space = Space::fit(options, rows, 0, 0, &mut Meter::new(&mut ())).unwrap();
            assert_eq!(space.keeps(rows), expected, "{options:?}");
            let mut scaled = data;
            for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(2)) {
                space.scale_into(row, out);
            }
            assert_eq!(scaled == data, expected, "{options:?}");
        }
    }

    #[test]
    fn rows_that_are_all_equal_are_refused() {
        let rows = Rows::new(&[1.0, 2.0, 1.0, 2.0], 2).unwrap();
        let error = Space::fit(
            scaled_by(Scaling::Sphere),
            rows,
            0,
            0,
            &mut Meter::new(&mut ()),
        )
        .unwrap_err();
        assert!(matches!(error, Error::NoVariance { n_rows: 2 }));
    }
}
