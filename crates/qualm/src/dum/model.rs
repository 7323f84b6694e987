//! The fitted model: networks that score.
//!
//! A member's network is a multilayer perceptron or a [`KernelNetwork`]; beyond the [`Reach`] of
//! the fitted rows a multilayer perceptron is not asked.

use rayon::prelude::*;

use super::align::Scale;
use super::choices::Extrapolation;
use super::device::{self, DEVICE_BLOCK, Remote};
use super::engine::clamp;
use super::kernel_network::KernelNetwork;
use super::objective::Covariance;
use super::reach::{Growth, Placed, Reach};
use super::spec::DumSpec;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, LogVariances, check_finite};
use crate::device::{Device, DeviceError};
use crate::error::Result;
use crate::nn::{Mlp, PADDED, Scratch, Threads};
use crate::rows::Rows;
use crate::space::{KernelScaling, Space};

/// Rows scored at a time by one thread: enough to read the weights of a 4096-wide network
/// seldom, little enough that its buffers stay near 32 MiB a thread. 256 or 512 rows gave
/// the same speed on narrow networks and less on wide ones.
const BLOCK: usize = 1024;

/// A fitted Deep Uncertainty Model: one or more networks, each with the space it sees.
#[derive(Debug)]
pub(crate) struct Dum {
    pub(super) spec: DumSpec,
    /// Where it scores: where it was fitted, or the processor when read from a file.
    device: Device,
    pub(super) members: Vec<Member>,
    /// Where the fitted rows lie, where rows beyond are extrapolated.
    pub(super) reach: Option<Reach>,
}

/// One network, its space, and where its scores lie over the fitted rows.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) space: Space,
    pub(super) network: Network,
    /// What rows beyond the reach add to the variance.
    pub(super) growth: Option<Growth>,
    pub(super) location: f64,
    pub(super) spread: f64,
}

/// The function f1 of a member.
#[derive(Debug)]
pub(crate) enum Network {
    Mlp {
        network: Mlp,
        /// A copy of the network on the device that scores.
        remote: Option<Box<dyn Remote>>,
    },
    Kernel {
        network: KernelNetwork,
        /// Fitted rows that are anchors, or views of the same items, and their log-variances, each
        /// without its own item; empty in a model that was read from a file.
        own: Vec<(usize, f64)>,
    },
}

impl Dum {
    /// Networks with the spaces they see, on the device of the Spec.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub(crate) fn new(spec: &DumSpec, networks: Vec<(Space, Network)>) -> Result<Self> {
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

    /// Mean over some members of their scores.
    pub(super) fn score_members(
        &self,
        rows: Rows<'_>,
        out: &mut [f64],
        of: impl Fn(&[Member]) -> &[Member] + Sync,
    ) -> Result<()> {
        let members = of(&self.members);
        let scale = Scale::of(members);
        for_blocks(rows, out, self.device, |buffers, rows, out, threads| {
            out.fill(0.0);
            let placed = self.place(rows)?;
            for member in members {
                let d = member.space.n_out();
                let s = self.log_variances_of(member, &placed, buffers, threads)?;
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

    /// Where the rows of a block lie, which is the same for all members.
    fn place<'r>(&self, rows: Rows<'r>) -> Result<Placed<'r>> {
        match &self.reach {
            Some(reach) => reach.place(rows),
            None => Ok(Placed::anywhere(rows)),
        }
    }

    /// Log-variances of a block, `(n, k)`.
    fn log_variances_of<'b>(
        &self,
        member: &Member,
        placed: &Placed<'_>,
        buffers: &'b mut Buffers,
        threads: Threads,
    ) -> Result<&'b [f32]> {
        self.networks_word(member, placed.within(), buffers, threads)?;
        if let Some(growth) = member.growth {
            let width = self.width(member);
            for (out, s) in placed
                .out
                .iter()
                .zip(buffers.clamped.chunks_exact_mut(width))
            {
                growth.add(*out, s);
            }
        }
        Ok(&buffers.clamped)
    }

    /// Leaves the log-variances of a block as the network has them, `(n, k)`, in the buffers.
    fn networks_word(
        &self,
        member: &Member,
        rows: Rows<'_>,
        buffers: &mut Buffers,
        threads: Threads,
    ) -> Result<()> {
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
        Ok(())
    }

    /// Reads the networks and spaces of a model file.
    pub(super) fn restore(spec: &DumSpec, n_features: usize, reader: &mut Reader) -> Result<Self> {
        let members = (0..spec.members)
            .map(|i| {
                let prefix = format!("member.{i}");
                let space =
                    Space::restore(spec.space_options(), n_features, i as u64, &prefix, reader)?;
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
pub(super) fn extrapolates(spec: &DumSpec) -> bool {
    let sees_length = spec.is_kernel() && spec.scaling != KernelScaling::Unit;
    !sees_length && spec.extrapolation == Extrapolation::Distance
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
                let placed = self.place(rows)?;
                for member in &self.members {
                    let s = self.log_variances_of(member, &placed, buffers, threads)?;
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
