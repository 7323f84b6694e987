//! The Deep Uncertainty Model (Anonymous, *A Simple Framework for Uncertainty in
//! Contrastive Learning*, 2020, sections 3 and 4).
//!
//! A network f1 gives each vector z a log-variance s(z); the row's distribution is
//! `N(z, diag(exp s))`. Its mean is the vector itself and is never learned, which keeps the
//! embedding as it was. Bags of m such Gaussians are multiplied into one, and f1 is trained
//! so that the means of two disjoint bags agree ([`objective`]). A bag's mean leans towards
//! its certain rows, so rows that resemble what the data have most of become certain, and
//! the size of a new row's covariance ([`Statistic`]) says how much to trust it.
//!
//! Where we differ from the paper, and why: the paper feeds \[0, 1\] features to the dot
//! product, which rewards large values as such. Our presets work on the unit sphere
//! (see [`crate::space`]), bound the log-variances and take small bags. The preset `paper`
//! is the recipe to the letter.

mod cells;
mod choices;
pub(crate) mod device;
pub(crate) mod engine;
#[cfg(test)]
mod golden;
mod objective;
mod spec;
mod statistic;
mod train;

use rayon::prelude::*;

use crate::container::{Reader, Writer};
use crate::detector::{Detector, Outcome, Variances, check_finite};
use crate::device::Device;
use crate::diagnostics::{Agreement, Diagnostics};
use crate::error::Result;
use crate::fit::training::Session;
use crate::fit::warning::Warning;
use crate::nn::{Mlp, PADDED, Scratch, Threads};
use crate::rows::Rows;
use crate::space::Space;
pub use choices::{BagSize, Bags, CellCount};
use device::Remote;
use engine::clamp;
pub use objective::{Covariance, Similarity};
pub use spec::DumSpec;
pub use statistic::Statistic;
pub(crate) use train::{Plan, Trainer};

/// Rows scored at a time by one thread: enough to read the weights of a 4096-wide network
/// seldom, little enough that its buffers stay near 32 MiB a thread. 256 or 512 rows gave
/// the same speed on narrow networks and less on wide ones.
const BLOCK: usize = 1024;

/// Rows scored at a time on a device: enough to fill it, little enough that a layer's
/// output of a 4096-wide network takes 128 MiB.
const DEVICE_BLOCK: usize = 8192;

/// A fitted Deep Uncertainty Model: one or more networks, each with the space it sees.
#[derive(Debug)]
pub(crate) struct Dum {
    spec: DumSpec,
    /// Where it scores: where it was fitted, or the processor when read from a file.
    device: Device,
    members: Vec<Member>,
}

/// One network, its space, and where its scores lie over the fitted rows.
#[derive(Debug)]
struct Member {
    space: Space,
    network: Mlp,
    /// A copy of the network on the device that scores.
    remote: Option<Box<dyn Remote>>,
    location: f64,
    spread: f64,
}

impl Dum {
    /// A single network as it stands.
    #[cfg(feature = "internals")]
    pub(crate) fn of(spec: &DumSpec, space: Space, network: Mlp) -> Self {
        let members = vec![Member {
            space,
            network,
            remote: None,
            location: 0.0,
            spread: 1.0,
        }];
        Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members,
        }
    }

    /// Trains every member.
    fn fit(spec: &DumSpec, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome<Self>> {
        let plan = Plan::new(spec, rows.n_rows())?;
        let mut curves = Vec::with_capacity(spec.members);
        let mut warnings: Vec<Warning> = plan.warning(spec, rows.n_rows()).into_iter().collect();
        let mut members = Vec::with_capacity(spec.members);
        let mut effective = 0.0;
        for member in 0..spec.members {
            let seed = session.seed;
            let space = Space::fit(spec.space_options(), rows, seed, member as u64)?;
            let trainer = Trainer {
                spec,
                space: &space,
                rows,
                plan,
                seed,
                member,
            };
            let course = trainer.course();
            let mut training = session.begin(&course, &spec.layer_sizes(space.n_out()))?;
            // A member that an earlier call has finished needs no engine.
            if training.adam.t < plan.steps {
                let mut engine = device::engine(spec, plan, &training)?;
                let mut learner = trainer.learner(engine.as_mut());
                session.run(&course, &mut training, &mut learner)?;
            }
            let effective_rows = training.effective_rows();
            effective += effective_rows / spec.members as f64;
            // A fiftieth of the way from one row to all of them.
            if (effective_rows - 1.0) < 0.02 * (plan.bag_size as f64 - 1.0) {
                warnings.push(Warning::CollapsedBags {
                    effective_rows,
                    bag_size: plan.bag_size,
                });
            }
            curves.push(training.curve);
            members.push(Member {
                space,
                network: training.network,
                remote: None,
                location: 0.0,
                spread: 1.0,
            });
        }
        let mut dum = Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members,
        };
        dum.move_to(spec.device)?;
        let diagnostics = Diagnostics {
            effective_rows: Some(effective),
            bag_size: Some(plan.bag_size),
            member_agreement: dum.align(rows, session.seed)?,
            ..Diagnostics::default()
        };
        Ok(Outcome {
            steps: plan.steps,
            curves,
            warnings,
            diagnostics,
            ..Outcome::new(dum)
        })
    }

    /// Learns each member's mean and deviation over the fitted rows, so that all members
    /// have an equal say, and how far they agree. A single member keeps its plain
    /// log-uncertainty and agrees with nobody.
    fn align(&mut self, rows: Rows<'_>, seed: u64) -> Result<Option<f64>> {
        if self.members.len() == 1 {
            return Ok(None);
        }
        let mut agreement = Agreement::over(rows.n_rows(), seed);
        let mut scores = vec![0.0; rows.n_rows()];
        for i in 0..self.members.len() {
            self.score_members(rows, &mut scores, |members| &members[i..=i])?;
            agreement.add(&scores);
            let n = scores.len() as f64;
            let mean = scores.iter().sum::<f64>() / n;
            let square = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n;
            if let Some(member) = self.members.get_mut(i) {
                member.location = mean;
                member.spread = if square > 0.0 { square.sqrt() } else { 1.0 };
            }
        }
        Ok(agreement.mean())
    }

    /// Mean over some members of their scores.
    fn score_members(
        &self,
        rows: Rows<'_>,
        out: &mut [f64],
        of: impl Fn(&[Member]) -> &[Member] + Sync,
    ) -> Result<()> {
        let members = of(&self.members);
        let n = members.len() as f64;
        let location = members.iter().map(|m| m.location).sum::<f64>() / n;
        let spread = members.iter().map(|m| m.spread).sum::<f64>() / n;
        for_blocks(rows, out, self.device, |buffers, rows, out, threads| {
            out.fill(0.0);
            for member in members {
                let d = member.space.n_out();
                let s = self.log_variances_of(member, rows, buffers, threads)?;
                for (out, s) in out.iter_mut().zip(s.chunks_exact(self.width(member))) {
                    let score = self.spec.statistic.of(s, d);
                    // In units of the members' own spread, put back on their mean scale.
                    *out += if members.len() == 1 {
                        score
                    } else {
                        (location + spread * (score - member.location) / member.spread) / n
                    };
                }
            }
            Ok(())
        })?;
        check_finite(out)
    }

    /// Width of a member's log-variances.
    fn width(&self, member: &Member) -> usize {
        match self.spec.covariance {
            Covariance::Diagonal => member.space.n_out(),
            Covariance::Circular => 1,
        }
    }

    /// Log-variances of a block: `(n, k)`, and padding after them.
    fn log_variances_of<'b>(
        &self,
        member: &Member,
        rows: Rows<'_>,
        buffers: &'b mut Buffers,
        threads: Threads,
    ) -> Result<&'b [f32]> {
        let n = rows.n_rows().max(PADDED);
        let Buffers {
            scaled,
            vectors,
            scratch,
            clamped,
        } = buffers;
        let space = &member.space;
        // Rows that are vectors already go into the network from where they lie.
        let scaled: &[f32] = if n == rows.n_rows() && space.keeps(rows) {
            rows.as_slice()
        } else {
            scaled.clear();
            scaled.resize(n * space.n_in(), 0.0);
            for (row, out) in rows.iter().zip(scaled.chunks_exact_mut(space.n_in())) {
                space.scale_into(row, out);
            }
            scaled
        };
        let vectors: &[f32] = if space.only_scales() {
            scaled
        } else {
            vectors.resize(n * space.n_out(), 0.0);
            space.project_into(scaled, vectors, threads);
            vectors
        };
        clamped.clear();
        if let Some(remote) = &member.remote {
            clamped.extend(remote.infer(vectors)?);
        } else {
            clamped.extend_from_slice(member.network.infer(vectors, scratch, threads));
        }
        clamped.truncate(rows.n_rows() * self.width(member));
        clamp(clamped, self.spec.log_variance_bound as f32);
        Ok(clamped)
    }

    /// Reads the networks and spaces of a model file.
    fn restore(spec: &DumSpec, n_features: usize, reader: &mut Reader) -> Result<Self> {
        let members = (0..spec.members)
            .map(|i| {
                let prefix = format!("member.{i}");
                let space = Space::restore(spec.space_options(), n_features, &prefix, reader)?;
                let sizes = spec.layer_sizes(space.n_out());
                let network = Mlp::restore(&sizes, &format!("{prefix}.network"), reader)?;
                let scale = reader.f64(&format!("{prefix}.scale"))?;
                let &[location, spread] = scale.as_slice() else {
                    let found = format!("{} values", scale.len());
                    return Err(reader.corrupt(format!("{prefix}.scale"), found, "2 values"));
                };
                if spread <= 0.0 {
                    let found = format!("a spread of {spread}");
                    return Err(reader.corrupt(
                        format!("{prefix}.scale"),
                        found,
                        "a spread above 0",
                    ));
                }
                Ok(Member {
                    space,
                    network,
                    remote: None,
                    location,
                    spread,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members,
        })
    }
}

/// Runs `work` over blocks of rows: on the processor many in parallel or a single one with
/// all threads, on a device one after the other.
fn for_blocks<T: Send>(
    rows: Rows<'_>,
    out: &mut [T],
    device: Device,
    work: impl Fn(&mut Buffers, Rows<'_>, &mut [T], Threads) -> Result<()> + Sync,
) -> Result<()> {
    let per_row = out.len() / rows.n_rows();
    let on_processor = device == Device::Cpu;
    let block = if on_processor { BLOCK } else { DEVICE_BLOCK };
    let mut buffers = Buffers::default();
    if rows.n_rows() <= block {
        return work(&mut buffers, rows, out, Threads::All);
    }
    let blocks: Vec<Rows<'_>> = rows.blocks(block).collect();
    if on_processor {
        return blocks
            .par_iter()
            .zip(out.par_chunks_mut(block * per_row))
            .try_for_each_init(Buffers::default, |buffers, (rows, out)| {
                work(buffers, *rows, out, Threads::One)
            });
    }
    blocks
        .into_iter()
        .zip(out.chunks_mut(block * per_row))
        .try_for_each(|(rows, out)| work(&mut buffers, rows, out, Threads::All))
}

/// Buffers of one scoring thread, reused from block to block.
#[derive(Debug, Default)]
struct Buffers {
    scaled: Vec<f32>,
    vectors: Vec<f32>,
    scratch: Scratch,
    clamped: Vec<f32>,
}

impl Detector for Dum {
    fn n_features(&self) -> usize {
        self.members.first().map_or(0, |m| m.space.n_in())
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        self.score_members(rows, out, |members| members)
    }

    fn log_variances(&self, rows: Rows<'_>) -> Result<Option<Variances>> {
        let Some(first) = self.members.first() else {
            return Ok(None);
        };
        let width = self.width(first);
        let mut log = vec![0.0; rows.n_rows() * width];
        let n = self.members.len() as f32;
        for_blocks(
            rows,
            &mut log,
            self.device,
            |buffers, rows, out, threads| {
                for member in &self.members {
                    let s = self.log_variances_of(member, rows, buffers, threads)?;
                    for (out, s) in out.iter_mut().zip(s) {
                        *out += s / n;
                    }
                }
                Ok(())
            },
        )?;
        let by_feature =
            self.spec.covariance == Covariance::Diagonal && first.space.keeps_columns();
        Ok(Some(Variances {
            log,
            width,
            by_feature,
            statistic: self.spec.statistic,
        }))
    }

    fn move_to(&mut self, device: Device) -> Result<()> {
        let networks = self.members.iter().map(|m| &m.network);
        let remotes: Vec<_> = networks
            .map(|network| device::remote(device, network))
            .collect::<Result<_>>()?;
        for (member, remote) in self.members.iter_mut().zip(remotes) {
            member.remote = remote;
        }
        self.device = device;
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (i, member) in self.members.iter().enumerate() {
            let prefix = format!("member.{i}");
            member.space.save(&prefix, writer);
            member.network.save(&format!("{prefix}.network"), writer);
            writer.f64(format!("{prefix}.scale"), &[member.location, member.spread]);
        }
    }
}
