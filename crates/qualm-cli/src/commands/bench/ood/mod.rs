//! `qualm bench ood`: whether detectors tell images out of distribution (the paper's Table 3).

mod asked;
mod fits;
mod means;
mod measure;
mod networks;
mod paper;
mod sets;
mod state;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use qualm::AtomicFile;
use qualm::reports::{OodBenchReport, REPORT_VERSION};
use qualm_vision::encoder::STATISTICS;
use qualm_vision::parts::Fingerprint;
use qualm_vision::read::{ImageSource, ReadOptions};
use qualm_vision::uniform::Uniform;
use qualm_vision::write::ImageFormat;

use self::asked::{Named, Wanted};
use self::measure::Measured;
use self::networks::{Net, Opener};
use self::sets::{Set, Sets};
use self::state::State;
use crate::args::BenchOod;
use crate::interrupt;
use crate::output::Output;
use crate::paths::{place, refuse_same};
use crate::progress;

pub(super) fn run(args: &BenchOod, seed: u64, output: Output) -> Result<()> {
    Job::resolve(args, seed, output)?.run()
}

/// What is to be measured, checked.
struct Job<'a> {
    args: &'a BenchOod,
    seed: u64,
    output: Output,
    wanted: Vec<Wanted>,
    networks: Vec<Net>,
    sets: Sets,
    uniform: Arc<Uniform>,
    table: PathBuf,
    state: State,
}

impl<'a> Job<'a> {
    fn resolve(args: &'a BenchOod, seed: u64, output: Output) -> Result<Self> {
        let wanted = Wanted::all(&args.detectors)?;
        let format: ImageFormat = args.reencode.parse().context("--reencode")?;
        let inside = Named::parse(&args.inside).context("--in")?;
        let outside = Named::outside(&args.outside)?;
        interrupt::listen()?;
        let table = outputs(args, &inside, &outside)?;
        let networks = Opener::new(args, &wanted)?.all(output)?;
        let options = ReadOptions {
            column: args.column.clone(),
            ..ReadOptions::default()
        };
        let labelled = ReadOptions {
            label: args.label.clone(),
            ..options.clone()
        };
        let side = match args.size {
            Some(side) => side,
            None => first_side(&inside, &labelled)?,
        };
        let uniform = Arc::new(Uniform::new(side, format));
        let open = |named: Named, options: &ReadOptions| {
            Set::open(named, options, args.limit_images, &uniform, seed)
        };
        let train = Named {
            name: "train".to_owned(),
            path: args.train.clone(),
            group: None,
        };
        let sets = Sets {
            inside: open(inside, &labelled)?,
            outside: outside
                .into_iter()
                .map(|named| open(named, &options))
                .collect::<Result<_>>()?,
            train: open(train, &labelled)?,
        };
        let run = fingerprint(args, seed, &wanted, &networks, &sets, &uniform);
        let state = State::open(&args.output, run)?;
        Ok(Self {
            args,
            seed,
            output,
            wanted,
            networks,
            sets,
            uniform,
            table,
            state,
        })
    }

    fn run(mut self) -> Result<()> {
        let (args, output) = (self.args, self.output);
        if !self.state.is_empty() {
            let done = state::done(&self.state);
            output.note(format!("note: going on after {done}"));
        }
        self.keep_apart()?;
        let measured = Measured {
            wanted: &self.wanted,
            sets: &self.sets,
            seed: self.seed,
            output,
            bar: &progress::bar(
                output,
                Some(0),
                "bench {wide_bar} {human_pos}/{human_len} images {msg}, {eta} left",
            ),
        };
        interrupt::graceful(true);
        let done = measured.all(&self.networks, &mut self.state);
        interrupt::graceful(false);
        measured.bar.finish_and_clear();
        done.map_err(|error| self.state.stopped(error, &state::done(&self.state)))?;

        let report = self.report();
        state::write(&report.results, &args.output)?;
        let text = table::markdown(&report, &self.wanted);
        let mut file = AtomicFile::create(&self.table)?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("{}: cannot be written", self.table.display()))?;
        file.commit()?;
        self.state.remove()?;
        let (results, table) = (args.output.display(), self.table.display());
        output.note(format!("note: results in {results}, the table in {table}"));
        output.result(&report, || text)
    }

    /// Refuses or drops images that are both fitted and scored.
    fn keep_apart(&mut self) -> Result<()> {
        let template = "compare {wide_bar} {human_pos}/{human_len} images, {eta} left";
        let bar = progress::bar(self.output, Some(self.sets.n() as u64), template);
        interrupt::graceful(true);
        let kept = self
            .sets
            .keep_apart(self.args.drop_overlap, &bar, self.output);
        interrupt::graceful(false);
        bar.finish_and_clear();
        kept
    }

    /// All rows, in the order of networks, detectors and sets, and their means.
    fn report(&self) -> OodBenchReport {
        let (args, sets) = (self.args, &self.sets);
        let mut results = self.state.rows().to_vec();
        let networks = self.networks.iter();
        let networks: Vec<_> = networks.map(|net| (net.kind, net.name.as_str())).collect();
        let detectors: Vec<&str> = self.wanted.iter().map(|w| w.called.as_str()).collect();
        let names: Vec<&str> = sets.outside.iter().map(|set| set.name.as_str()).collect();
        results.sort_by_key(|row| {
            let cell = &row.cell;
            let network = (cell.kind, cell.network.as_str());
            [
                networks.iter().position(|other| *other == network),
                detectors.iter().position(|other| *other == cell.detector),
                names.iter().position(|other| *other == cell.out),
            ]
        });
        let outside: Vec<_> = sets.outside.iter().map(Set::report).collect();
        OodBenchReport {
            report_version: REPORT_VERSION,
            suite: OodBenchReport::SUITE.to_owned(),
            means: means::of(&results, &outside, &self.wanted, &self.networks),
            inside: sets.inside.report(),
            outside,
            train: sets.train.report(),
            side: self.uniform.side(),
            reencode: self.uniform.format().to_string(),
            output: args.output.display().to_string(),
            table: self.table.display().to_string(),
            networks: self.networks.iter().map(Net::report).collect(),
            seed: self.seed,
            results,
        }
    }
}

/// The shorter side of the first image of a set.
fn first_side(set: &Named, options: &ReadOptions) -> Result<u32> {
    let first = ImageSource::open(&set.path, options)?.next_batch(1)?;
    let first = first.and_then(|items| items.into_iter().next());
    let Some(item) = first else {
        bail!("{}: no image", set.path.display());
    };
    Ok(item.image.width().min(item.image.height()))
}

/// Refuses outputs that cannot be written. Gives the place of the table.
fn outputs(args: &BenchOod, inside: &Named, outside: &[Named]) -> Result<PathBuf> {
    qualm_data::format_for(&args.output)?;
    let table = args.output.with_extension("md");
    let sets = outside.iter().chain([inside]).map(|set| set.path.as_path());
    let networks = [&args.classifier, &args.rotation, &args.encoder];
    let networks = networks.into_iter().flatten().map(PathBuf::as_path);
    let networks = networks.filter(|file| *file != Path::new(STATISTICS));
    let inputs: Vec<&Path> = sets.chain([args.train.as_path()]).chain(networks).collect();
    for path in [&args.output, &table] {
        refuse_same("--output", path, &inputs)?;
        // Dropped at once: it only says whether the place can be written.
        AtomicFile::create(path)?;
    }
    Ok(table)
}

/// What decides the rows.
fn fingerprint(
    args: &BenchOod,
    seed: u64,
    wanted: &[Wanted],
    networks: &[Net],
    sets: &Sets,
    uniform: &Uniform,
) -> Fingerprint {
    let set = |set: &Set| {
        let group = set.group.map_or("", |group| group.name());
        let place = place(set.path()).display().to_string();
        format!("{group}:{}={place} ({} images)", set.name, set.n_all())
    };
    let networks = networks.iter().map(|net| {
        let places = net.groups.iter().flat_map(|group| &group.members);
        let n = places.count();
        format!(
            "{} {} {} {n}",
            net.kind.name(),
            net.name,
            net.identity.digest
        )
    });
    let word = |option: Option<String>| option.unwrap_or_else(|| "none".to_owned());
    Fingerprint::new(&[
        ("set in distribution", set(&sets.inside)),
        (
            "set out of distribution",
            sets.outside.iter().map(set).collect::<Vec<_>>().join(", "),
        ),
        ("fitted set", set(&sets.train)),
        ("network", networks.collect::<Vec<_>>().join(", ")),
        (
            "detector",
            wanted
                .iter()
                .map(|wanted| wanted.called.as_str())
                .collect::<Vec<_>>()
                .join(","),
        ),
        ("size", uniform.side().to_string()),
        ("reencode", uniform.format().to_string()),
        ("drop-overlap", args.drop_overlap.to_string()),
        ("column", word(args.column.clone())),
        ("label", word(args.label.clone())),
        (
            "limit-images",
            word(args.limit_images.map(|n| n.to_string())),
        ),
        ("seed", seed.to_string()),
    ])
}
