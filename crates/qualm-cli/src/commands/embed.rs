//! `qualm embed`: images in, a table of embeddings out, in constant memory.
//!
//! While a batch of images is encoded, the next is read and decoded and the previous one written.
//! Rows also go to parts beside the output, so that an interrupted run can go on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use qualm::reports::EmbedReport;
use qualm_data::{ScoreWriter, format_for};
use qualm_vision::embed::{Drawn, Embedder};
use qualm_vision::encoder::{self, Encoder};
use qualm_vision::parts::Fingerprint;
use qualm_vision::views::{ViewSpec, Views};

use super::encoder::options;
use crate::args::{Embed, OnError};
use crate::config;
use crate::image_table::{self, Images, Kept, Sink};
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::refuse_same;
use crate::pipeline::{self, ReadAhead};
use crate::progress;

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

impl<'a> EmbedJob<'a> {
    fn resolve(args: &'a Embed, seed: u64, output: Output) -> Result<Self> {
        interrupt::listen()?;
        let target = &args.output;
        format_for(target)?;
        let rejects =
            (args.images_args.rejects.clone()).unwrap_or_else(|| image_table::rejects_of(target));
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
        let (head, source) = image_table::open(&args.images, &args.images_args, false, output)?;
        let views = match &drawn {
            Some(drawn) => Some(serde_json::to_string(drawn.views.spec())?),
            None => None,
        };
        let views =
            views.map(|spec| format!("{} with seed {seed}: {spec}", args.views.unwrap_or(0)));
        let embedder = Embedder::new(encoder, drawn, head.id_name, head.labelled)?;
        let schema = embedder.schema();
        let columns = schema.fields().iter().map(|f| f.name().as_str());
        let skips = args.images_args.on_error == OnError::Skip;
        let run = Fingerprint::new(&[
            (
                "input",
                crate::paths::place(&args.images).display().to_string(),
            ),
            ("number of images", head.n_images.to_string()),
            (
                "encoder or preprocessing",
                embedder.encoder().identity().digest.clone(),
            ),
            ("views", views.unwrap_or_else(|| "none".to_owned())),
            ("columns", columns.collect::<Vec<_>>().join(", ")),
            ("treatment of broken images", skips.to_string()),
        ]);
        let writer = ScoreWriter::create(target, schema.clone())?;
        interrupt::remove_on_exit(writer.temporary());
        let parts = image_table::parts(target, schema, run, args.resume, output)?;
        let kept = Kept::new(&parts, embedder.rows_per_image())?;
        let images = image_table::start(source, args.images_args.batch, kept)?;
        let sink = Sink::new(writer, parts, embedder.rows_per_image())?;
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
        let encoder = self.embedder.encoder();
        output.note(format!(
            "{}; {} of width {}, preprocessing from {}",
            output::counted(self.n_images, "image"),
            encoder.identity().name,
            encoder.identity().width,
            encoder.preprocessing_origin()
        ));
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
        let rejects =
            image_table::write_rejects(&self.rejects, self.id_name, &sink.rejects, output)?;
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
