//! Fitting: every member of the ensemble is trained, then all are put on one scale.

use super::device;
use super::kernel_network::KernelNetwork;
use super::model::{Dum, Network};
use super::plan::Plan;
use super::spec::{CACHED, DumSpec};
use super::sweeps::{SWEEPS, Sweeps};
use super::train::Trainer;
use crate::container::Reader;
use crate::detector::{Detector, DetectorSpec, Outcome};
use crate::device::{Device, DeviceError};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::fit::{Curve, Schedule, Session, Warning};
use crate::nn::{Mlp, TrainingState, Workspace};
use crate::reference::Reference;
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;
use crate::space::{Space, Whitened};
use crate::views::Views;

/// What the fit of the members leaves.
#[derive(Default)]
struct Fits {
    networks: Vec<(Space, Network)>,
    curves: Vec<Curve>,
    warnings: Vec<Warning>,
    /// Mean effective number of rows in a bag.
    effective_rows: Option<f64>,
}

/// Fits every member.
fn fit(spec: &DumSpec, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome<Dum>> {
    let views = session.views();
    let n_items = views.map_or(rows.n_rows(), Views::n_items);
    let plan = Plan::new(spec, n_items)?;
    let (seed, is_kernel) = (session.seed(), spec.is_kernel());
    let mut fits = Fits::default();
    if !is_kernel {
        fits.warnings.extend(plan.warning(spec, n_items));
    }
    for member in 0..spec.members {
        let options = spec.space_options();
        let space = Space::fit(options, rows, seed, member as u64, &mut session.meter())?;
        let trainer = Trainer {
            spec,
            space: &space,
            rows,
            views,
            plan,
            seed,
            member,
        };
        let network = if is_kernel {
            sweep(&trainer, session, &mut fits)?
        } else {
            train(&trainer, session, &mut fits)?
        };
        fits.networks.push((space, network));
    }
    let mut dum = Dum::new(spec, fits.networks)?;
    dum.extrapolate(rows, seed, &mut session.meter())?;
    let (scores, member_agreement) = dum.align(rows, seed, &mut session.meter())?;
    let diagnostics = Diagnostics {
        effective_rows: fits.effective_rows,
        bag_size: (!is_kernel).then_some(plan.bag_size),
        member_agreement,
        ..Diagnostics::default()
    };
    Ok(Outcome {
        scores,
        steps: if is_kernel { SWEEPS } else { plan.steps },
        curves: fits.curves,
        warnings: fits.warnings,
        diagnostics,
        ..Outcome::new(dum)
    })
}

/// Trains a multilayer perceptron.
fn train(trainer: &Trainer<'_>, session: &mut Session<'_>, fits: &mut Fits) -> Result<Network> {
    let (spec, plan) = (trainer.spec, trainer.plan);
    let state = TrainingState::new(&trainer.layer_sizes(), trainer.seed, trainer.member);
    let mut engine = device::engine(spec, plan, state)?;
    let mut learner = trainer.learner(engine.as_mut(), &mut session.meter())?;
    let curve = session.train(&trainer.course(), &mut learner)?;
    drop(learner);
    let network = engine.into_state()?.into_network()?;
    let effective_rows = curve.last_effective_rows();
    *fits.effective_rows.get_or_insert(0.0) += effective_rows / spec.members as f64;
    // A fiftieth of the way from one row to all of them.
    if (effective_rows - 1.0) < 0.02 * (plan.bag_size as f64 - 1.0) {
        fits.warnings.push(Warning::CollapsedBags {
            effective_rows,
            bag_size: plan.bag_size,
        });
    }
    fits.curves.push(curve);
    Ok(Network::Mlp {
        network,
        remote: None,
    })
}

/// Finds the weights of a kernel network.
///
/// # Seed
/// Draws the anchors, where there are more rows than that.
fn sweep(trainer: &Trainer<'_>, session: &mut Session<'_>, fits: &mut Fits) -> Result<Network> {
    let (spec, d) = (trainer.spec, trainer.space.n_out());
    let mut rng = stream(trainer.seed, Purpose::ANCHORS, [trainer.member as u64, 0]);
    let picked = rng::sample(&mut rng, trainer.rows.n_rows(), spec.anchors);
    let anchors = trainer.vectors(&picked);
    let network = KernelNetwork::new(spec, &anchors, d, &mut session.meter())?;
    // Where outliers may be among the rows, the covariance leaves the outer ones out.
    let whitened = spec.reference == Reference::Clean && trainer.space.whitens();
    let whitened_by = whitened.then(|| Whitened::n_sampled(trainer.rows.n_rows(), d));
    let bag_size = trainer.plan.bag_size;
    let meter = &mut session.meter();
    let items = match trainer.views {
        Some(views) => Views::of(picked.iter().map(|row| views.items()[*row])),
        None => Views::of(&picked),
    };
    let mut sweeps = Sweeps::new(network, bag_size, &anchors, items, whitened_by, meter)?;
    let course = Schedule {
        steps: SWEEPS,
        batch_rows: picked.len(),
        ..trainer.course()
    };
    fits.curves.push(session.train(&course, &mut sweeps)?);
    let mut own: Vec<(usize, f64)> = picked.iter().copied().zip(sweeps.log_variances()).collect();
    if let Some(views) = trainer.views {
        own.extend(other_views(trainer, views, &picked, &sweeps));
    }
    Ok(Network::Kernel {
        network: sweeps.into_network(),
        own,
    })
}

/// Rows that are no anchors but views of the same items as some, and their log-variances without
/// the anchors of their items.
fn other_views(
    trainer: &Trainer<'_>,
    views: &Views,
    anchors: &[usize],
    sweeps: &Sweeps,
) -> Vec<(usize, f64)> {
    // Numbered as by the sweeps: by the first anchor of each.
    let mut anchored = Vec::new();
    let mut is_anchored = vec![false; views.n_items()];
    for row in anchors {
        let item = views.items()[*row];
        if !std::mem::replace(&mut is_anchored[item], true) {
            anchored.push(item);
        }
    }
    let rows = anchored.iter().enumerate();
    let rows =
        rows.flat_map(|(number, item)| views.rows(*item).iter().map(move |row| (number, *row)));
    // Anchors are ascending.
    let others = rows.filter(|(_, row)| anchors.binary_search(row).is_err());
    let (numbers, others): (Vec<usize>, Vec<usize>) = others.unzip();
    let vectors = trainer.vectors(&others);
    let found = sweeps.log_variances_of(&vectors, trainer.space.n_out(), &numbers);
    others.into_iter().zip(found).collect()
}

impl DetectorSpec for DumSpec {
    fn validate(&self) -> Result<()> {
        self.check()
    }

    /// The parameters with Adam's memory of every member, the buffers of a step, and the
    /// vectors of the rows.
    fn memory(&self, n_rows: usize, d: usize) -> u64 {
        if self.is_kernel() {
            let networks = KernelNetwork::memory(self, n_rows, d);
            let networks = networks.saturating_mul(self.members as u64);
            return networks.saturating_add(self.space_options().memory(self.members, n_rows, d));
        }
        let width = self.vector_width(d);
        let sizes = self.layer_sizes(width);
        let n_params = Mlp::n_params(&sizes).map_or(u64::MAX, |n| n as u64);
        // A finished member stays whole, so that a checkpoint can hold it.
        let copies = if self.members == 1 { 3 } else { 4 };
        let params = n_params.saturating_mul(copies * self.members as u64);
        let batch = self.batch_size.min(n_rows.max(4)) as u64;
        let step = Workspace::values(&sizes).saturating_mul(batch);
        let vectors = (n_rows as u64).saturating_mul(width as u64);
        // Float64: two values each.
        let scores = if self.keeps_member_scores(n_rows) {
            2 * n_rows as u64 * self.members as u64
        } else {
            0
        };
        let values = params.saturating_add(step).saturating_add(scores);
        values
            .saturating_add(vectors.min(CACHED as u64))
            .saturating_mul(4)
            .max(self.space_options().memory(self.members, n_rows, d))
    }

    fn presets(&self) -> &'static [&'static str] {
        Self::PRESETS
    }

    fn set_preset(&mut self, name: &str) -> bool {
        let preset = Self::preset(name);
        preset.map(|preset| *self = preset).is_ok()
    }

    fn adapt(&mut self, rows: Rows<'_>) -> Vec<Warning> {
        self.decide(rows);
        Vec::new()
    }

    fn draws_views(&self) -> bool {
        true
    }

    fn device(&self) -> Device {
        self.device
    }

    fn set_device(&mut self, device: Device) -> Result<(), DeviceError> {
        self.device = device;
        Ok(())
    }

    fn check_device_memory(&self, n_rows: usize, d: usize) -> Result<()> {
        let sizes = self.layer_sizes(self.vector_width(d));
        device::check_memory(self.device, &sizes, self.batch_size.min(n_rows.max(4)))
    }

    fn absent_keys(&self) -> &'static [(&'static str, &'static str)] {
        // The only ones there were.
        &[
            ("metric", "euclidean"),
            ("scaling", "standardise"),
            ("network", "mlp"),
            ("extrapolation", "none"),
        ]
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        Ok(fit(self, rows, session)?.boxed(|dum| dum))
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        Ok(Box::new(Dum::restore(self, n_features, reader)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::choices::Extrapolation;
    use super::*;
    use crate::fit::Identity;
    use crate::rows::Matrix;

    #[test]
    fn members_score_the_fitted_rows_once() {
        let data = (0..600).map(|i| ((i * 7919) % 101) as f32).collect();
        let rows = Matrix::new(data, 3).unwrap();
        let (none, distance) = (Extrapolation::None, Extrapolation::Distance);
        for (members, extrapolation) in [(1, none), (2, none), (3, none), (1, distance)] {
            let spec = DumSpec {
                extrapolation,
                hidden: 8,
                min_steps: 20,
                max_steps: 20,
                members,
                ..DumSpec::preset("mlp").unwrap()
            };
            let identity = Identity {
                spec: serde_json::Value::Null,
                seed: 0,
                input_digest: String::new(),
                n_features: 3,
            };
            let mut nobody = ();
            let mut session = Session::new(identity, None, &mut nobody).unwrap();
            let outcome = fit(&spec, rows.rows(), &mut session).unwrap();
            let mut again = vec![0.0; 200];
            outcome
                .detector
                .score_into(rows.rows(), &mut again)
                .unwrap();
            // A single member is not put on a scale, so its rows are not scored yet.
            let scored = members > 1 || extrapolation == distance;
            let once = outcome.scores.map(|scores| scores == again);
            assert_eq!(once, scored.then_some(true), "{members}");
        }
    }
}
