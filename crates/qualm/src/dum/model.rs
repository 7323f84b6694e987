//! The fitted model: networks that score.
//!
//! A member's network is a multilayer perceptron or a [`KernelNetwork`]; beyond the [`Reach`] of
//! the fitted rows a multilayer perceptron is not asked.

use rayon::prelude::*;

use super::choices::Extrapolation;
use super::device::{self, DEVICE_BLOCK, Remote};
use super::engine::clamp;
use super::kernel_network::KernelNetwork;
use super::objective::Covariance;
use super::reach::{Growth, Reach};
use super::spec::DumSpec;
use super::statistic::Statistic;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, LogVariances, check_finite, score_fitted};
use crate::device::{Device, DeviceError};
use crate::diagnostics::Agreement;
use crate::error::Result;
use crate::fit::Meter;
use crate::nn::{Mlp, PADDED, Scratch, Threads};
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;
use crate::space::{KernelScaling, Space};

/// Rows scored at a time by one thread: enough to read the weights of a 4096-wide network
/// seldom, little enough that its buffers stay near 32 MiB a thread. 256 or 512 rows gave
/// the same speed on narrow networks and less on wide ones.
const BLOCK: usize = 1024;

/// A fitted Deep Uncertainty Model: one or more networks, each with the space it sees.
#[derive(Debug)]
pub(crate) struct Dum {
    spec: DumSpec,
    /// Where it scores: where it was fitted, or the processor when read from a file.
    device: Device,
    members: Vec<Member>,
    /// Where the fitted rows lie, where rows beyond are extrapolated.
    reach: Option<Reach>,
}

/// One network, its space, and where its scores lie over the fitted rows.
#[derive(Debug)]
struct Member {
    space: Space,
    network: Network,
    /// What rows beyond the reach add to the variance.
    growth: Option<Growth>,
    location: f64,
    spread: f64,
}

/// The function f1 of a member.
#[derive(Debug)]
pub(super) enum Network {
    Mlp {
        network: Mlp,
        /// A copy of the network on the device that scores.
        remote: Option<Box<dyn Remote>>,
    },
    Kernel {
        network: KernelNetwork,
        /// Fitted rows that are anchors and their log-variances, each without itself; empty in a
        /// model that was read from a file.
        own: Vec<(usize, f64)>,
    },
}

/// Fitted rows that the growth beyond the reach is set by, at most.
const REACH_SAMPLE: usize = 5000;

/// The scale on which several members' scores are averaged: their mean location and spread.
struct Scale {
    n_members: usize,
    location: f64,
    spread: f64,
}

impl Scale {
    fn of(members: &[Member]) -> Self {
        let n_members = members.len() as f64;
        Self {
            n_members: members.len(),
            location: members.iter().map(|m| m.location).sum::<f64>() / n_members,
            spread: members.iter().map(|m| m.spread).sum::<f64>() / n_members,
        }
    }

    /// What a member's score adds to the mean: in units of the member's own spread, put back on
    /// the mean scale. A single member's score stays as it is.
    fn share(&self, member: &Member, score: f64) -> f64 {
        if self.n_members == 1 {
            return score;
        }
        let standard = self.spread * (score - member.location) / member.spread;
        (self.location + standard) / self.n_members as f64
    }
}

impl Dum {
    /// Networks with the spaces they see, on the device of the Spec.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub(super) fn new(spec: &DumSpec, networks: Vec<(Space, Network)>) -> Result<Self> {
        let members = networks.into_iter().map(|(space, network)| Member {
            space,
            network,
            growth: None,
            location: 0.0,
            spread: 1.0,
        });
        let mut dum = Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members: members.collect(),
            reach: None,
        };
        dum.move_to(spec.device)?;
        Ok(dum)
    }

    /// Learns how far the fitted rows reach, and what rows beyond add to each member's variance.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`], [`crate::Error::Interrupted`].
    pub(super) fn extrapolate(
        &mut self,
        rows: Rows<'_>,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<()> {
        if !extrapolates(&self.spec) {
            return Ok(());
        }
        let mut reach = Reach::fit(rows, self.spec.reference, seed, meter)?;
        let mut rng = stream(seed, Purpose::SAMPLE, [0, 2]);
        let picked = rng::sample(&mut rng, rows.n_rows(), REACH_SAMPLE);
        let picked = picked.iter().filter_map(|&i| rows.get(i)).flatten();
        let sample: Vec<f32> = picked.copied().collect();
        let sample = Rows::checked(&sample, rows.n_cols());
        let distances = reach.set(sample);
        for i in 0..self.members.len() {
            let scores = score_fitted(sample, meter, |rows, out| {
                self.score_members(rows, out, |members| &members[i..=i])
            })?;
            if let Some(member) = self.members.get_mut(i) {
                let width = member.space.n_out();
                let growth = Growth::new(&distances, &scores, self.spec.statistic, width);
                member.growth = Some(growth);
            }
        }
        self.reach = Some(reach);
        Ok(())
    }

    /// Learns each member's mean and deviation over the fitted rows, so that all members
    /// have an equal say. Returns the scores of the rows, where the members' own were few enough
    /// to keep, and how far members agree; a single member keeps its plain log-uncertainty.
    pub(super) fn align(
        &mut self,
        rows: Rows<'_>,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<(Option<Vec<f64>>, Option<f64>)> {
        let n_members = self.members.len();
        let n = rows.n_rows();
        let is_kernel = self.spec.is_kernel();
        // Rows beyond the reach have their scores from the distance, which no row lends itself.
        let beyond = self.reach.as_ref().filter(|_| is_kernel);
        let beyond = beyond.map(|reach| reach.within(rows).1).unwrap_or_default();
        if n_members == 1 && !is_kernel {
            return Ok((None, None));
        }
        let keep = self.spec.keeps_member_scores(n);
        let mut kept = Vec::new();
        let mut agreement = Agreement::over(n, seed);
        for i in 0..n_members {
            let mut scores = score_fitted(rows, meter, |rows, out| {
                self.score_members(rows, out, |members| &members[i..=i])
            })?;
            if let Some(member) = self.members.get_mut(i) {
                member.leave_out(&mut scores, &beyond, self.spec.statistic);
            }
            agreement.add(&scores);
            let mean = scores.iter().sum::<f64>() / n as f64;
            let square = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64;
            if let Some(member) = self.members.get_mut(i) {
                member.location = mean;
                member.spread = if square > 0.0 { square.sqrt() } else { 1.0 };
            }
            if keep {
                kept.push(scores);
            }
        }
        let scale = Scale::of(&self.members);
        let combined = keep.then(|| {
            let mut out = vec![0.0; n];
            for (member, scores) in self.members.iter().zip(&kept) {
                for (out, score) in out.iter_mut().zip(scores) {
                    *out += scale.share(member, *score);
                }
            }
            out
        });
        Ok((combined, agreement.mean().filter(|_| n_members > 1)))
    }

    /// Mean over some members of their scores.
    fn score_members(
        &self,
        rows: Rows<'_>,
        out: &mut [f64],
        of: impl Fn(&[Member]) -> &[Member] + Sync,
    ) -> Result<()> {
        let members = of(&self.members);
        let scale = Scale::of(members);
        for_blocks(rows, out, self.device, |buffers, rows, out, threads| {
            out.fill(0.0);
            for member in members {
                let d = member.space.n_out();
                let s = self.log_variances_of(member, rows, buffers, threads)?;
                for (out, s) in out.iter_mut().zip(s.chunks_exact(self.width(member))) {
                    let score = self.spec.statistic.of(s, d);
                    *out += scale.share(member, score);
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

    /// Log-variances of a block, `(n, k)`.
    fn log_variances_of<'b>(
        &self,
        member: &Member,
        rows: Rows<'_>,
        buffers: &'b mut Buffers,
        threads: Threads,
    ) -> Result<&'b [f32]> {
        let (Some(reach), Some(growth)) = (&self.reach, member.growth) else {
            return self.networks_word(member, rows, buffers, threads);
        };
        let (moved, out) = reach.within(rows);
        let within = moved
            .as_ref()
            .map_or(rows, |moved| Rows::checked(moved, rows.n_cols()));
        self.networks_word(member, within, buffers, threads)?;
        let width = self.width(member);
        for (out, s) in out.iter().zip(buffers.clamped.chunks_exact_mut(width)) {
            growth.add(*out, s);
        }
        Ok(&buffers.clamped)
    }

    /// Log-variances of a block as the network has them, `(n, k)`.
    fn networks_word<'b>(
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
            products,
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
        let bound = match &member.network {
            Network::Kernel { network, .. } => {
                network.infer(vectors, products, clamped, threads);
                0.0
            }
            Network::Mlp { network, remote } => {
                if let Some(remote) = remote {
                    clamped.extend(remote.infer(vectors)?);
                } else {
                    clamped.extend_from_slice(network.infer(vectors, scratch, threads));
                }
                self.spec.log_variance_bound as f32
            }
        };
        clamped.truncate(rows.n_rows() * self.width(member));
        clamp(clamped, bound);
        Ok(clamped)
    }

    /// Reads the networks and spaces of a model file.
    pub(super) fn restore(spec: &DumSpec, n_features: usize, reader: &mut Reader) -> Result<Self> {
        let members = (0..spec.members)
            .map(|i| {
                let prefix = format!("member.{i}");
                let space = Space::restore(spec.space_options(), n_features, &prefix, reader)?;
                let name = format!("{prefix}.network");
                let network = if spec.is_kernel() {
                    Network::Kernel {
                        network: KernelNetwork::restore(space.n_out(), &name, reader)?,
                        own: Vec::new(),
                    }
                } else {
                    Network::Mlp {
                        network: Mlp::restore(&spec.layer_sizes(space.n_out()), &name, reader)?,
                        remote: None,
                    }
                };
                let growth = extrapolates(spec).then(|| Growth::restore(&prefix, reader));
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
                    growth: growth.transpose()?,
                    location,
                    spread,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let reach = extrapolates(spec);
        let reach = reach.then(|| Reach::restore(spec.reference, n_features, reader));
        Ok(Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members,
            reach: reach.transpose()?,
        })
    }
}

/// Whether rows beyond the fitted ones need help: kernel networks are uncertain there by
/// themselves, unless the length of a row is taken away before they see it.
fn extrapolates(spec: &DumSpec) -> bool {
    let sees_length = spec.is_kernel() && spec.scaling != KernelScaling::Unit;
    !sees_length && spec.extrapolation == Extrapolation::Distance
}

impl Member {
    /// Puts the scores that anchors within the reach have without themselves in place of those
    /// they have as new rows, and forgets them.
    fn leave_out(&mut self, scores: &mut [f64], beyond: &[f64], statistic: Statistic) {
        let Network::Kernel { own, .. } = &mut self.network else {
            return;
        };
        let width = self.space.n_out();
        for (row, s) in std::mem::take(own) {
            let within = beyond.get(row).is_none_or(|out| *out <= 0.0);
            if let Some(score) = scores.get_mut(row).filter(|_| within) {
                *score = statistic.of(&[s as f32], width);
            }
        }
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
    /// Distances to the anchors of a kernel network.
    products: Vec<f32>,
    clamped: Vec<f32>,
}

impl Detector for Dum {
    fn n_features(&self) -> usize {
        self.members.first().map_or(0, |m| m.space.n_in())
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        self.score_members(rows, out, |members| members)
    }

    fn log_variances(&self, rows: Rows<'_>) -> Result<Option<LogVariances>> {
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
        Ok(Some(LogVariances { values: log, width }))
    }

    fn contributions(&self, rows: Rows<'_>) -> Result<Option<Vec<f64>>> {
        let projected = self.members.iter().any(|m| !m.space.keeps_columns());
        if self.spec.covariance == Covariance::Circular || projected {
            return Ok(None);
        }
        let Some(LogVariances { values, width }) = self.log_variances(rows)? else {
            return Ok(None);
        };
        let mut shares = vec![0.0; values.len()];
        let rows = values.chunks_exact(width);
        for (s, shares) in rows.zip(shares.chunks_exact_mut(width)) {
            self.spec.statistic.shares(s, shares);
        }
        Ok(Some(shares))
    }

    fn move_to(&mut self, device: Device) -> Result<()> {
        let copy = |member: &Member| match &member.network {
            Network::Mlp { network, .. } => device::remote(device, network),
            Network::Kernel { .. } if device == Device::Cpu => Ok(None),
            Network::Kernel { .. } => Err(DeviceError::OnlyCpu { device }.into()),
        };
        let remotes: Vec<_> = self.members.iter().map(copy).collect::<Result<_>>()?;
        for (member, copy) in self.members.iter_mut().zip(remotes) {
            if let Network::Mlp { remote, .. } = &mut member.network {
                *remote = copy;
            }
        }
        self.device = device;
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (i, member) in self.members.iter().enumerate() {
            let prefix = format!("member.{i}");
            member.space.save(&prefix, writer);
            let name = format!("{prefix}.network");
            match &member.network {
                Network::Mlp { network, .. } => network.save(&name, writer),
                Network::Kernel { network, .. } => network.save(&name, writer),
            }
            if let Some(growth) = member.growth {
                growth.save(&prefix, writer);
            }
            writer.f64(format!("{prefix}.scale"), &[member.location, member.spread]);
        }
        if let Some(reach) = &self.reach {
            reach.save(writer);
        }
    }
}
