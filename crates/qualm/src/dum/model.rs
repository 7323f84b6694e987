//! The fitted model: networks that score.

use rayon::prelude::*;

use super::device::{self, DEVICE_BLOCK, Remote};
use super::engine::clamp;
use super::objective::Covariance;
use super::spec::DumSpec;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, LogVariances, check_finite, score_fitted};
use crate::device::Device;
use crate::diagnostics::Agreement;
use crate::error::Result;
use crate::fit::Meter;
use crate::nn::{Mlp, PADDED, Scratch, Threads};
use crate::rows::Rows;
use crate::space::Space;

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
    pub(crate) fn new(spec: &DumSpec, networks: Vec<(Space, Mlp)>) -> Result<Self> {
        let members = networks.into_iter().map(|(space, network)| Member {
            space,
            network,
            remote: None,
            location: 0.0,
            spread: 1.0,
        });
        let mut dum = Self {
            spec: spec.clone(),
            device: Device::Cpu,
            members: members.collect(),
        };
        dum.move_to(spec.device)?;
        Ok(dum)
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
        if n_members == 1 {
            return Ok((None, None));
        }
        let n = rows.n_rows();
        let keep = self.spec.keeps_member_scores(n);
        let mut kept = Vec::new();
        let mut agreement = Agreement::over(n, seed);
        for i in 0..n_members {
            let scores = score_fitted(rows, meter, |rows, out| {
                self.score_members(rows, out, |members| &members[i..=i])
            })?;
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
        Ok((combined, agreement.mean()))
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
    pub(super) fn restore(spec: &DumSpec, n_features: usize, reader: &mut Reader) -> Result<Self> {
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
