//! `qualm bench corruption`: whether detectors notice damaged images (the paper's Table 1).

mod contenders;
mod paper;
mod roles;
mod state;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use qualm::reports::{CorruptionReport, CorruptionRow, REPORT_VERSION};
use qualm::stats::Shift;
use qualm::{AtomicFile, Fitted};
use qualm_vision::corrupt::{CorruptSpec, Corrupter, Corruption, Severity, Trial};
use qualm_vision::encoder::{self, Encoder, FileEncoder};
use qualm_vision::parts::Fingerprint;
use qualm_vision::read::Item;

use self::contenders::{Contender, Training};
use self::paper::Paper;
use self::roles::{Images, Role};
use self::state::State;
use crate::args::BenchCorruption;
use crate::commands::corrupt::severities;
use crate::commands::encoder_options;
use crate::images::encoder_for;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::{place, refuse_same};
use crate::pipeline;
use crate::progress;

/// Damaged images in memory at once, of usual size.
const AT_ONCE: usize = 1024;

pub(super) fn run(args: &BenchCorruption, seed: u64, output: Output) -> Result<()> {
    Job::resolve(args, seed, output)?.run()
}

/// What is to be measured, checked.
struct Job<'a> {
    args: &'a BenchCorruption,
    seed: u64,
    output: Output,
    corruptions: Vec<Corruption>,
    severities: Vec<Severity>,
    corrupter: Corrupter,
    encoder: FileEncoder,
    contenders: Vec<Contender>,
    images: Images,
    training: Option<Training>,
    table: PathBuf,
    state: State,
}

impl<'a> Job<'a> {
    fn resolve(args: &'a BenchCorruption, seed: u64, output: Output) -> Result<Self> {
        let corruptions = Corruption::select(&args.kind).context("--kind")?;
        let severities = severities(&args.severity).context("--severity")?;
        let spec = CorruptSpec {
            parameters: args.params.parse().context("--params")?,
            ..CorruptSpec::default()
        };
        interrupt::listen()?;
        let table = outputs(args)?;
        let (encoder, contenders) = subject(args)?;
        let fits_images = args.model.is_none() && args.train.is_none();
        let images = Images::split(&args.images, args, fits_images, seed)?;
        let training = match (&args.model, &args.train) {
            (Some(_), _) => None,
            (None, Some(train)) => Some(Training(Images::all(train, args, seed)?)),
            (None, None) => Some(Training(images.clone())),
        };
        let run = Fingerprint::new(&[
            ("images", place(&args.images).display().to_string()),
            ("number of images", images.n().to_string()),
            (
                "train",
                args.train
                    .as_deref()
                    .map_or("none".to_owned(), |path| place(path).display().to_string()),
            ),
            ("encoder", encoder.identity().digest.clone()),
            ("detectors", contenders::names(&contenders).join(",")),
            (
                "model",
                match &args.model {
                    Some(file) => contenders::digest(file)?,
                    None => "none".to_owned(),
                },
            ),
            ("kind", args.kind.clone()),
            ("severity", args.severity.clone()),
            ("params", args.params.clone()),
            (
                "limit-images",
                args.limit_images
                    .map_or("none".to_owned(), |n| n.to_string()),
            ),
            ("seed", seed.to_string()),
        ]);
        let state = State::open(&args.output, run)?;
        Ok(Self {
            args,
            seed,
            output,
            corruptions,
            severities,
            corrupter: Corrupter::new(spec, seed),
            encoder,
            contenders,
            images,
            training,
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
        let names = contenders::names(&self.contenders);
        let (models, n_fitted) = self.fit()?;
        let trial = Trial {
            encoder: &self.encoder,
            models: &models,
            corrupter: &self.corrupter,
        };
        let n_damaged = self.images.count(Role::Damaged);
        let n_all = self.images.count(Role::Reference) + n_damaged * (1 + self.corruptions.len());
        let template = "bench {wide_bar} {human_pos}/{human_len} images {msg}, {eta} left";
        let bar = progress::bar(output, Some(n_all as u64), template);
        let measured = Measured {
            trial,
            images: &self.images,
            names: &names,
            bar: &bar,
        };
        interrupt::graceful(true);
        let done = measured.all(&self.corruptions, &self.severities, &mut self.state, output);
        interrupt::graceful(false);
        bar.finish_and_clear();
        let side = done.map_err(|error| self.state.stopped(error, &state::done(&self.state)))?;

        let rows = self.state.rows();
        state::write(rows, &args.output)?;
        let paper = Paper::chosen(args.paper, side);
        let head = table::Head {
            encoder: &self.encoder.identity().name,
            images: &args.images,
            n_fitted,
            seed: self.seed,
            parameters: &args.params,
        };
        let text = table::markdown(&head, rows, &names, paper);
        let mut file = AtomicFile::create(&self.table)?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("{}: cannot be written", self.table.display()))?;
        file.commit()?;
        self.state.remove()?;
        let (results, table) = (args.output.display(), self.table.display());
        output.note(format!("note: results in {results}, the table in {table}"));
        let report = CorruptionReport {
            report_version: REPORT_VERSION,
            suite: CorruptionReport::SUITE.to_owned(),
            images: args.images.display().to_string(),
            train: args.train.as_ref().map(|path| path.display().to_string()),
            output: args.output.display().to_string(),
            table: self.table.display().to_string(),
            encoder: self.encoder.identity().clone(),
            n_fitted,
            seed: self.seed,
            parameters: args.params.clone(),
            results: rows.to_vec(),
        };
        output.result(&report, || text)
    }

    /// The models, and how many images they were fitted to here.
    fn fit(&mut self) -> Result<(Vec<Fitted>, Option<u64>)> {
        let contenders = std::mem::take(&mut self.contenders);
        let Some(training) = &self.training else {
            let models = contenders.into_iter().map(Contender::fitted);
            return Ok((models.collect::<Result<_>>()?, None));
        };
        let rows = training.embed(&self.encoder, self.output)?;
        let mut models = Vec::new();
        for contender in contenders {
            let started = Instant::now();
            let name = contender.name.clone();
            models.push(contender.fit(rows.rows(), self.seed)?);
            self.output.note(format!(
                "fitted {name} to {} in {}",
                output::counted(rows.rows().n_rows() as u64, "image"),
                output::seconds(started.elapsed())
            ));
        }
        Ok((models, Some(rows.rows().n_rows() as u64)))
    }
}

/// The encoder, and the detectors of its rows.
fn subject(args: &BenchCorruption) -> Result<(FileEncoder, Vec<Contender>)> {
    let options = &args.encoder_options;
    let Some(file) = &args.model else {
        let encoder = encoder::open(&args.encoder, &encoder_options(options))?;
        return Ok((encoder, contenders::of(&args.detectors)?));
    };
    let fitted = Fitted::load(file)?;
    let encoder = encoder_for(file, &fitted, &args.images, Some(&args.encoder), options)?;
    let encoder = encoder.with_context(|| format!("{}: no encoder", args.encoder.display()))?;
    Ok((encoder, vec![Contender::model(fitted)]))
}

/// Refuses outputs that cannot be written. Gives the place of the table.
fn outputs(args: &BenchCorruption) -> Result<PathBuf> {
    qualm_data::format_for(&args.output)?;
    let table = args.output.with_extension("md");
    let inputs = [
        Some(&args.images),
        Some(&args.encoder),
        args.train.as_ref(),
        args.model.as_ref(),
    ];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
    for path in [&args.output, &table] {
        refuse_same("--output", path, &inputs)?;
        // Dropped at once: it only says whether the place can be written.
        AtomicFile::create(path)?;
    }
    Ok(table)
}

/// Measuring under way.
struct Measured<'a> {
    trial: Trial<'a>,
    images: &'a Images,
    names: &'a [String],
    bar: &'a ProgressBar,
}

/// The scores of the clean images.
#[derive(Default)]
struct Clean {
    /// For each model, those of the reference.
    reference: Vec<Vec<f64>>,
    /// For each model, those of the images that are damaged later.
    others: Vec<Vec<f64>>,
    /// The shorter side of the first image, in pixels.
    side: u32,
}

impl Measured<'_> {
    /// Measures what the state does not hold yet, and gives the shorter side of the first image.
    fn all(
        &self,
        corruptions: &[Corruption],
        severities: &[Severity],
        state: &mut State,
        output: Output,
    ) -> Result<u32> {
        self.bar.set_message(CorruptionReport::NONE);
        let clean = self.clean()?;
        // Kept with the first corruption: without any there is nothing to go on from.
        let mut waiting = Vec::new();
        if !state::has(state, CorruptionReport::NONE) {
            let others = clean.others.iter().map(|scores| vec![scores.clone()]);
            let others: Vec<Vec<Vec<f64>>> = others.collect();
            waiting = self.rows(CorruptionReport::NONE, &[], &clean.reference, &others)?;
            told(&waiting, output);
        }
        for &corruption in corruptions {
            self.bar.set_message(corruption.name());
            if state::has(state, corruption.name()) {
                self.bar.inc(self.images.count(Role::Damaged) as u64);
                continue;
            }
            let scores = self.damaged(corruption, severities)?;
            let rows = self.rows(corruption.name(), severities, &clean.reference, &scores)?;
            told(&rows, output);
            waiting.extend(rows);
            state.put(std::mem::take(&mut waiting))?;
        }
        Ok(clean.side)
    }

    fn clean(&self) -> Result<Clean> {
        let mut clean = Clean::default();
        let wanted = [Role::Reference, Role::Damaged];
        let batches = self.images.read(&wanted, AT_ONCE)?;
        pipeline::run(
            batches,
            |images: Vec<(Role, Item)>| {
                let (roles, items): (Vec<Role>, Vec<Item>) = images.into_iter().unzip();
                let side = items.first().map(|i| i.image.width().min(i.image.height()));
                let scores = self.scored(items.len(), || Ok(self.trial.clean(&items)?))?;
                Ok((roles, scores, side))
            },
            |(roles, scores, side)| {
                clean.reference.resize(scores.len(), Vec::new());
                clean.others.resize(scores.len(), Vec::new());
                if clean.side == 0 {
                    clean.side = side.unwrap_or(0);
                }
                let lists = clean.reference.iter_mut().zip(&mut clean.others);
                for (scores, (reference, others)) in scores.into_iter().zip(lists) {
                    for (role, score) in roles.iter().zip(scores) {
                        match role {
                            Role::Reference => reference.push(score),
                            _ => others.push(score),
                        }
                    }
                }
                Ok(())
            },
        )?;
        Ok(clean)
    }

    /// The scores of damaged images: for each model, for each severity.
    fn damaged(
        &self,
        corruption: Corruption,
        severities: &[Severity],
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let n = (AT_ONCE / severities.len()).max(1);
        let mut all = vec![vec![Vec::new(); severities.len()]; self.names.len()];
        pipeline::run(
            self.images.read(&[Role::Damaged], n)?,
            |images: Vec<(Role, Item)>| {
                let items: Vec<Item> = images.into_iter().map(|(_, item)| item).collect();
                self.scored(items.len(), || {
                    Ok(self.trial.damaged(&items, corruption, severities)?)
                })
            },
            |scores| {
                for (all, scores) in all.iter_mut().flatten().zip(scores.into_iter().flatten()) {
                    all.extend(scores);
                }
                Ok(())
            },
        )?;
        Ok(all)
    }

    /// Scores of so many images, unless Ctrl-C came.
    fn scored<T>(&self, n: usize, scores: impl FnOnce() -> Result<T>) -> Result<T> {
        if interrupt::asked() {
            bail!("interrupted");
        }
        let scores = scores()?;
        self.bar.inc(n as u64);
        Ok(scores)
    }

    /// A corruption's rows: for each detector each severity, and all together.
    fn rows(
        &self,
        corruption: &str,
        severities: &[Severity],
        reference: &[Vec<f64>],
        scores: &[Vec<Vec<f64>>],
    ) -> Result<Vec<CorruptionRow>> {
        let mut rows = Vec::new();
        for ((name, reference), scores) in self.names.iter().zip(reference).zip(scores) {
            let lists: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
            let n = [reference.len(), lists.first().map_or(0, |list| list.len())];
            let n = n.map(|n| n as u64);
            let mut row = |severity, lists: &[&[f64]]| -> Result<()> {
                let shift = Shift::of(reference, lists)?;
                rows.push(CorruptionRow::new(corruption, severity, name, n, &shift));
                Ok(())
            };
            row(None, &lists)?;
            for (severity, list) in severities.iter().zip(lists) {
                row(Some(severity.get()), &[list])?;
            }
        }
        Ok(rows)
    }
}

/// Says what came of a corruption, where no bar can be drawn.
fn told(rows: &[CorruptionRow], output: Output) {
    if output.bars() {
        return;
    }
    let all = rows.iter().filter(|row| row.severity.is_none());
    let each = all.map(|row| format!("{} {:.1}", row.detector, 100.0 * row.auroc));
    let name = rows.first().map_or("", |row| row.corruption.as_str());
    output.note(format!(
        "bench: {name}: AUROC {}",
        each.collect::<Vec<_>>().join(", ")
    ));
}
