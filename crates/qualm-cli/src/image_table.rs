//! What commands over images share: images are read ahead, rows are written and kept in parts beside
//! the output, so that an interrupted run can go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qualm_data::{Error, ScoreWriter};
use qualm_vision::parts::{Fingerprint, Parts};
use qualm_vision::read::{self, ImageSource, Item, ReadOptions, Reject};

use crate::args::{ImageArgs, OnError};
use crate::output::{self, Output};
use crate::pipeline::{self, ReadAhead};

/// Rows are kept in a part when they take so much memory,
const PART_BYTES: usize = 32 << 20;
/// or when so much time has passed.
const PART_TIME: Duration = Duration::from_secs(30);

/// Some images of the input, and those that could not be read since the last ones.
pub(crate) struct Images {
    pub(crate) items: Vec<Item>,
    pub(crate) rejects: Vec<Reject>,
}

/// What is known of the images before they are read.
pub(crate) struct Head {
    pub(crate) n_images: u64,
    pub(crate) id_name: &'static str,
    pub(crate) labelled: bool,
}

/// The list of the images that are skipped, beside the output.
pub(crate) fn rejects_of(target: &Path) -> PathBuf {
    target.with_extension("rejects.csv")
}

/// Opens the images, and says which files of a folder are not read. With `exact` images that lose something on the
/// way to eight bits a colour are refused.
pub(crate) fn open(
    path: &Path,
    args: &ImageArgs,
    exact: bool,
    output: Output,
) -> Result<(Head, ImageSource)> {
    let options = ReadOptions {
        column: args.column.clone(),
        label: args.label.clone(),
        on_error: match args.on_error {
            OnError::Stop => read::OnError::Stop,
            OnError::Skip => read::OnError::Skip,
        },
        exact,
        ..ReadOptions::default()
    };
    let source = ImageSource::open(path, &options)?;
    let skipped = source.skipped();
    if !skipped.is_empty() {
        output.note(format!("note: not read: {skipped}"));
    }
    let head = Head {
        n_images: source.n_images_hint(),
        id_name: source.id_name(),
        labelled: source.label_name().is_some(),
    };
    Ok((head, source))
}

/// The parts to go on from, if asked for and there. Says so where the user may expect that an
/// earlier run goes on and none does.
pub(crate) fn parts(
    target: &Path,
    schema: &SchemaRef,
    run: Fingerprint,
    resume: bool,
    output: Output,
) -> Result<Parts> {
    let schema = schema.clone();
    let fresh = Parts::new(target, schema.clone(), run.clone());
    let path = fresh.folder().display();
    match (resume, fresh.folder().exists()) {
        (true, true) => {
            let parts = Parts::resume(target, schema, run).context("cannot resume")?;
            let images = output::counted(parts.images(), "image");
            output.note(format!("note: going on after {images}"));
            return Ok(parts);
        }
        (true, false) => output.note(format!("note: no {path}; starting anew")),
        (false, true) => output.warn(format!(
            "starting anew, which replaces {path}; --resume would go on from there"
        )),
        (false, false) => {}
    }
    Ok(fresh)
}

/// The images whose rows are kept from an interrupted run: they are read again, to make sure that
/// they are the same, and no more.
pub(crate) struct Kept(std::vec::IntoIter<String>);

impl Kept {
    pub(crate) fn new(parts: &Parts, rows_per_image: usize) -> Result<Self> {
        Ok(Self(parts.ids(rows_per_image)?.into_iter()))
    }

    /// None: the run is a new one.
    pub(crate) fn none() -> Self {
        Self(Vec::new().into_iter())
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
pub(crate) fn start(source: ImageSource, n: usize, mut kept: Kept) -> Result<ReadAhead<Images>> {
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
pub(crate) struct Sink {
    writer: ScoreWriter,
    parts: Parts,
    /// Rows that are in no part yet.
    waiting: Vec<RecordBatch>,
    waiting_images: u64,
    since: Instant,
    /// Images of this run and those before.
    pub(crate) n_images: u64,
    /// Images of those before.
    pub(crate) n_resumed: u64,
    pub(crate) rows_per_image: usize,
    pub(crate) rejects: Vec<Reject>,
}

impl Sink {
    /// Writes the rows of an interrupted run first.
    pub(crate) fn new(writer: ScoreWriter, parts: Parts, rows_per_image: usize) -> Result<Self> {
        let n_resumed = parts.images();
        let mut sink = Self {
            writer,
            parts,
            waiting: Vec::new(),
            waiting_images: 0,
            since: Instant::now(),
            n_images: n_resumed,
            n_resumed,
            rows_per_image,
            rejects: Vec::new(),
        };
        for rows in sink.parts.rows() {
            sink.writer.write(&rows?)?;
        }
        Ok(sink)
    }

    pub(crate) fn write(&mut self, rows: RecordBatch, rejects: Vec<Reject>) -> Result<()> {
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
    pub(crate) fn stopped(&mut self, error: anyhow::Error) -> anyhow::Error {
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

    pub(crate) fn finish(self) -> Result<()> {
        self.writer.finish()?;
        Ok(self.parts.remove()?)
    }
}

/// Writes the list of the images that were skipped, if any were.
pub(crate) fn write_rejects(
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
