//! `qualm embed`: images in, a table of embeddings out, in constant memory.
//!
//! While a batch of images is encoded, the next is read and decoded and the previous one written.
//! Rows also go to parts beside the output, so that an interrupted run can go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use qualm::reports::EmbedReport;
use qualm_data::{Error, ScoreWriter, format_for};
use qualm_vision::embed::{Drawn, Embedder, Fingerprint, Parts};
use qualm_vision::encoder::{self, Encoder};
use qualm_vision::read::{self, ImageSource, Item, ReadOptions, Reject};
use qualm_vision::views::{ViewSpec, Views};

use super::encoder::options;
use crate::args::{Embed, OnError};
use crate::config;
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::refuse_same;
use crate::pipeline::{self, ReadAhead};
use crate::progress;

/// Rows are kept in a part when they take so much memory,
const PART_BYTES: usize = 32 << 20;
/// or when so much time has passed.
const PART_TIME: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Embed, seed: u64, output: Output) -> Result<()> {
    EmbedJob::resolve(args, seed, output)?.run(output)
}

/// Everything that embedding needs, checked.
struct EmbedJob<'a> {
    args: &'a Embed,
    embedder: Embedder,
    images: ReadAhead<Images>,
    n_images: u64,
    id_name: &'static str,
    sink: Sink,
    rejects: PathBuf,
}

/// Some images of the input, and those that could not be read since the last ones.
struct Images {
    items: Vec<Item>,
    rejects: Vec<Reject>,
}

/// What is known of the images before they are read.
struct Head {
    n_images: u64,
    id_name: &'static str,
    labelled: bool,
    skipped: Option<String>,
}

impl<'a> EmbedJob<'a> {
    fn resolve(args: &'a Embed, seed: u64, output: Output) -> Result<Self> {
        interrupt::listen()?;
        let target = &args.output;
        format_for(target)?;
        let rejects = args.rejects.clone().unwrap_or_else(|| rejects_of(target));
        for (flag, path) in [("--output", target), ("--rejects", &rejects)] {
            refuse_same(flag, path, &[&args.images, &args.encoder])?;
        }
        let encoder = encoder::open(&args.encoder, &options(&args.options))?;
        let drawn = match args.views {
            Some(n) => {
                let size = encoder.preprocessing().size;
                let spec = ViewSpec::simclr(size.height.max(size.width) as u32);
                let spec = spec.with(config::pairs("--view-set", &args.view_set)?)?;
                let views = Views::new(spec, seed)?;
                Some(Drawn { views, seed, n })
            }
            None => None,
        };
        let (head, source) = open(args)?;
        if let Some(skipped) = &head.skipped {
            output.note(format!("note: not read: {skipped}"));
        }
        let views = match &drawn {
            Some(drawn) => Some(serde_json::to_string(drawn.views.spec())?),
            None => None,
        };
        let views =
            views.map(|spec| format!("{} with seed {seed}: {spec}", args.views.unwrap_or(0)));
        let embedder = Embedder::new(encoder, drawn, head.id_name, head.labelled)?;
        let schema = embedder.schema();
        let run = Fingerprint {
            input: crate::paths::place(&args.images).display().to_string(),
            n_images: head.n_images,
            encoder: embedder.encoder().identity().clone(),
            views,
            columns: schema.fields().iter().map(|f| f.name().clone()).collect(),
            skip_broken: args.on_error == OnError::Skip,
        };
        let writer = ScoreWriter::create(target, schema.clone())?;
        interrupt::remove_on_exit(writer.temporary());
        let parts = parts(args, &embedder, run, output)?;
        let kept = Kept::new(&parts, embedder.rows_per_image())?;
        let n_resumed = parts.images();
        let images = start(source, args.batch, kept)?;
        let mut sink = Sink {
            writer,
            parts,
            waiting: Vec::new(),
            waiting_images: 0,
            since: Instant::now(),
            n_images: n_resumed,
            n_resumed,
            rows_per_image: embedder.rows_per_image(),
            rejects: Vec::new(),
        };
        sink.copy_parts()?;
        Ok(Self {
            args,
            embedder,
            images,
            n_images: head.n_images,
            id_name: head.id_name,
            sink,
            rejects,
        })
    }

    fn run(mut self, output: Output) -> Result<()> {
        let args = self.args;
        let template = "embed {wide_bar} {human_pos}/{human_len} images, {per_sec}, {eta} left";
        let bar = progress::bar(output, Some(self.n_images), template);
        bar.set_position(self.sink.n_images);
        bar.reset_eta();
        let started = Instant::now();
        // From here on it stops at the end of a batch and keeps what it has.
        interrupt::graceful(true);
        let (embedder, sink) = (&self.embedder, &mut self.sink);
        let outcome = pipeline::run(
            self.images,
            |images| {
                if interrupt::asked() {
                    bail!("interrupted");
                }
                let rows = embedder.embed(images.items)?;
                Ok((rows, images.rejects))
            },
            |(rows, rejects)| {
                bar.inc((rows.num_rows() / sink.rows_per_image) as u64);
                sink.write(rows, rejects)
            },
        );
        interrupt::graceful(false);
        bar.finish_and_clear();
        if let Err(error) = outcome {
            return Err(sink.stopped(error));
        }
        let elapsed = started.elapsed();
        let (n_images, n_resumed) = (sink.n_images, sink.n_resumed);
        let rejects = write_rejects(&self.rejects, self.id_name, &sink.rejects, output)?;
        let n_rejected = sink.rejects.len() as u64;
        self.sink.finish()?;
        let identity = self.embedder.encoder().identity().clone();
        let report = EmbedReport {
            input: args.images.display().to_string(),
            output: args.output.display().to_string(),
            n_rows: n_images * self.embedder.rows_per_image() as u64,
            views: args.views,
            n_rejected,
            rejects,
            ..EmbedReport::new(identity, n_images, n_resumed, elapsed.as_secs_f64())
        };
        output.result(&report, || summary(&report, elapsed))
    }
}

/// The list of the images that are skipped, beside the output.
fn rejects_of(target: &Path) -> PathBuf {
    target.with_extension("rejects.csv")
}

/// Opens the images.
fn open(args: &Embed) -> Result<(Head, ImageSource)> {
    let options = ReadOptions {
        column: args.column.clone(),
        label: args.label.clone(),
        on_error: match args.on_error {
            OnError::Stop => read::OnError::Stop,
            OnError::Skip => read::OnError::Skip,
        },
        ..ReadOptions::default()
    };
    let source = ImageSource::open(&args.images, &options)?;
    let skipped = source.skipped();
    let head = Head {
        n_images: source.n_images_hint(),
        id_name: source.id_name(),
        labelled: source.label_name().is_some(),
        skipped: (!skipped.is_empty()).then(|| skipped.to_string()),
    };
    Ok((head, source))
}

/// The parts to go on from, if asked for and there. Says so where the user may expect that an
/// earlier run goes on and none does.
fn parts(args: &Embed, embedder: &Embedder, run: Fingerprint, output: Output) -> Result<Parts> {
    let (target, schema) = (&args.output, embedder.schema().clone());
    let fresh = Parts::new(target, schema.clone(), run.clone());
    let path = fresh.folder().display();
    match (args.resume, fresh.folder().exists()) {
        (true, true) => {
            let parts = Parts::resume(target, schema, run).context("cannot resume")?;
            let images = output::counted(parts.images(), "image");
            output.note(format!("note: going on after {images}"));
            return Ok(parts);
        }
        (true, false) => output.note(format!("note: no {path}; embedding from the start")),
        (false, true) => output.warn(format!(
            "embedding from the start, which replaces {path}; --resume would go on from there"
        )),
        (false, false) => {}
    }
    Ok(fresh)
}

/// The images whose rows are kept from an interrupted run: they are read again, to make sure that
/// they are the same, and not embedded.
struct Kept(std::vec::IntoIter<String>);

impl Kept {
    fn new(parts: &Parts, rows_per_image: usize) -> Result<Self> {
        Ok(Self(parts.ids(rows_per_image)?.into_iter()))
    }

    /// Takes away the images that are kept.
    fn skip(&mut self, items: &mut Vec<Item>) -> Result<()> {
        let n = items.len().min(self.0.len());
        for (item, kept) in items.drain(..n).zip(&mut self.0) {
            if item.id != kept {
                bail!(
                    "cannot resume: the images have changed: {} stands where {kept} was; start \
                     anew without --resume",
                    item.id
                );
            }
        }
        Ok(())
    }
}

/// Reads images ahead, on a thread of its own.
fn start(source: ImageSource, n: usize, mut kept: Kept) -> Result<ReadAhead<Images>> {
    let mut n_rejects = 0;
    let next = move |source: &mut ImageSource| {
        while let Some(mut items) = source.next_batch(n)? {
            kept.skip(&mut items)?;
            let rejects = source
                .rejects()
                .get(n_rejects..)
                .unwrap_or_default()
                .to_vec();
            if !items.is_empty() {
                n_rejects += rejects.len();
                return Ok(Some(Images { items, rejects }));
            }
        }
        // Those after the last image that could be read.
        let rejects = source
            .rejects()
            .get(n_rejects..)
            .unwrap_or_default()
            .to_vec();
        n_rejects += rejects.len();
        let items = Vec::new();
        Ok((!rejects.is_empty()).then_some(Images { items, rejects }))
    };
    let ((), images) = pipeline::read(move || Ok(((), source)), next)?;
    Ok(images)
}

/// Where rows go: the output, and the parts that outlive an interruption.
struct Sink {
    writer: ScoreWriter,
    parts: Parts,
    /// Rows that are in no part yet.
    waiting: Vec<RecordBatch>,
    waiting_images: u64,
    since: Instant,
    n_images: u64,
    n_resumed: u64,
    rows_per_image: usize,
    rejects: Vec<Reject>,
}

impl Sink {
    /// The rows of an interrupted run.
    fn copy_parts(&mut self) -> Result<()> {
        for rows in self.parts.rows() {
            self.writer.write(&rows?)?;
        }
        Ok(())
    }

    fn write(&mut self, rows: RecordBatch, rejects: Vec<Reject>) -> Result<()> {
        self.writer.write(&rows)?;
        self.rejects.extend(rejects);
        let images = (rows.num_rows() / self.rows_per_image) as u64;
        self.n_images += images;
        self.waiting_images += images;
        self.waiting.push(rows);
        let bytes = self.waiting.iter().map(RecordBatch::get_array_memory_size);
        if bytes.sum::<usize>() >= PART_BYTES || self.since.elapsed() >= PART_TIME {
            self.keep()?;
        }
        Ok(())
    }

    /// Puts what waits into a part.
    fn keep(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        let images = std::mem::take(&mut self.waiting_images);
        self.since = Instant::now();
        if images > 0 {
            self.parts.keep(&rows, images)?;
        }
        Ok(())
    }

    /// Keeps what there is, after an error, and says so.
    fn stopped(&mut self, error: anyhow::Error) -> anyhow::Error {
        match self.keep() {
            Ok(()) if self.parts.images() > 0 => error.context(format!(
                "stopped; {} are kept in {}: repeat the command with --resume to go on",
                output::counted(self.parts.images(), "image"),
                self.parts.folder().display()
            )),
            Ok(()) => error,
            Err(lost) => error.context(format!("stopped, and nothing was kept: {lost}")),
        }
    }

    fn finish(self) -> Result<()> {
        self.writer.finish()?;
        Ok(self.parts.remove()?)
    }
}

/// Writes the list of the images that were skipped, if any were.
fn write_rejects(
    path: &Path,
    id_name: &str,
    rejects: &[Reject],
    output: Output,
) -> Result<Option<String>> {
    if rejects.is_empty() {
        return Ok(None);
    }
    let fields = [id_name, "reason"].map(|name| Field::new(name, DataType::Utf8, false));
    let schema = std::sync::Arc::new(Schema::new(fields.to_vec()));
    let column = |text: fn(&Reject) -> &String| -> ArrayRef {
        std::sync::Arc::new(StringArray::from_iter_values(rejects.iter().map(text)))
    };
    let columns = vec![column(|r| &r.id), column(|r| &r.reason)];
    let rows = RecordBatch::try_new(schema.clone(), columns).map_err(|source| Error::Arrow {
        at: qualm::Location::file(path),
        source,
    })?;
    let mut writer = ScoreWriter::create(path, schema)?;
    writer.write(&rows)?;
    writer.finish()?;
    output.warn(format!(
        "{} could not be read and {} left out: see {}",
        output::counted(rejects.len() as u64, "image"),
        if rejects.len() == 1 { "is" } else { "are" },
        path.display()
    ));
    Ok(Some(path.display().to_string()))
}

fn summary(report: &EmbedReport, elapsed: Duration) -> String {
    let views = report.views.map(|k| format!(", {k} views each"));
    let resumed = match report.n_resumed {
        0 => String::new(),
        n => format!(", {} of them from before", indicatif::HumanCount(n)),
    };
    format!(
        "embedded {}{}{resumed} to {} in {} ({:.0} images/s); width {}\n",
        output::counted(report.n_images, "image"),
        views.unwrap_or_default(),
        report.output,
        output::seconds(elapsed),
        report.images_per_second,
        report.encoder.width,
    )
}
