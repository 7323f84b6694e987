//! `qualm corrupt`: damaged images out, in constant memory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arrow_schema::SchemaRef;
use indicatif::ProgressBar;
use qualm::AtomicFile;
use qualm::container;
use qualm::reports::{CorruptReport, REPORT_VERSION};
use qualm_data::ScoreWriter;
use qualm_vision::corrupt::{
    CorruptSpec, Corrupter, Corruption, Damager, FrostTextures, Severity, Sheet,
};
use qualm_vision::parts::Fingerprint;
use qualm_vision::read::{Item, Reject};
use qualm_vision::write::ImageFormat;

use crate::args::{Corrupt, OnError};
use crate::damaged_folder::DamagedFolder;
use crate::image_table::{self, Images, Kept, Sink};
use crate::interrupt;
use crate::output::{self, Output};
use crate::paths::{place, refuse_same};
use crate::pipeline::{self, ReadAhead};
use crate::progress;

pub(crate) fn run(args: &Corrupt, seed: u64, output: Output) -> Result<()> {
    CorruptJob::resolve(args, seed, output)?.run(output)
}

/// Everything that damaging images needs, checked.
struct CorruptJob<'a> {
    args: &'a Corrupt,
    corrupter: Corrupter,
    corruptions: Vec<Corruption>,
    severities: Vec<Severity>,
    format: ImageFormat,
    damager: Damager,
    images: ReadAhead<Images>,
    n_images: u64,
    id_name: &'static str,
    target: Target,
    rejects: PathBuf,
    sheet: Option<AtomicFile>,
}

/// Where damaged images go.
enum Target {
    Table(Box<Table>),
    Folder(DamagedFolder),
}

/// A file of them.
struct Table {
    schema: SchemaRef,
    sink: Sink,
}

impl<'a> CorruptJob<'a> {
    fn resolve(args: &'a Corrupt, seed: u64, output: Output) -> Result<Self> {
        let corruptions = Corruption::select(&args.kind).context("--kind")?;
        let severities = severities(&args.severity).context("--severity")?;
        let format: ImageFormat = args.format.parse().context("--format")?;
        let spec = CorruptSpec {
            parameters: args.params.parse().context("--params")?,
            compat: args.compat,
            frost: match &args.frost_dir {
                Some(folder) => Some(FrostTextures::from_folder(folder).context("--frost-dir")?),
                None => None,
            },
        };
        interrupt::listen()?;
        let target = &args.output;
        let is_table = is_table(target)?;
        let rejects =
            (args.images_args.rejects.clone()).unwrap_or_else(|| image_table::rejects_of(target));
        let inputs: Vec<&Path> = [Some(&args.images), args.frost_dir.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect();
        refuse_same("--output", target, &inputs)?;
        refuse_same("--rejects", &rejects, &inputs)?;
        let sheet = sheet_file(args, &inputs)?;
        let (head, source) = image_table::open(&args.images, &args.images_args, true, output)?;
        let corrupter = Corrupter::new(spec, seed);
        let damager = Damager::new(corrupter.clone(), &corruptions, &severities, format);
        let frost = args
            .frost_dir
            .as_deref()
            .map(|dir| place(dir).display().to_string());
        let skips = args.images_args.on_error == OnError::Skip;
        let run = Fingerprint::new(&[
            ("input", place(&args.images).display().to_string()),
            ("number of images", head.n_images.to_string()),
            ("kind", named(&corruptions, |c| c.name()).join(",")),
            (
                "severity",
                named(&severities, Severity::to_string).join(","),
            ),
            ("params", args.params.clone()),
            ("compat", args.compat.to_string()),
            ("frost-dir", frost.unwrap_or_else(|| "none".to_owned())),
            ("format", format.to_string()),
            ("seed", seed.to_string()),
            ("treatment of broken images", skips.to_string()),
        ]);
        let per_image = damager.rows_per_image();
        let (target, kept) = if is_table {
            refuse_existing(target)?;
            let schema = Damager::schema(head.id_name, head.labelled);
            let writer = ScoreWriter::create(target, schema.clone())?;
            interrupt::remove_on_exit(writer.temporary());
            let parts = image_table::parts(target, &schema, run, args.resume, output)?;
            let kept = Kept::new(&parts, per_image)?;
            let sink = Sink::new(writer, parts, per_image)?;
            (Target::Table(Box::new(Table { schema, sink })), kept)
        } else {
            let folder = DamagedFolder::open(target, &run, args.resume, output)?;
            (Target::Folder(folder), Kept::none())
        };
        // So many damaged images of usual size are in memory at once.
        let n = (1024 / per_image).clamp(1, args.images_args.batch);
        Ok(Self {
            args,
            corrupter,
            corruptions,
            severities,
            format,
            damager,
            images: image_table::start(source, n, kept)?,
            n_images: head.n_images,
            id_name: head.id_name,
            target,
            rejects,
            sheet,
        })
    }

    fn run(self, output: Output) -> Result<()> {
        let per_image = self.damager.rows_per_image() as u64;
        output.note(format!(
            "{}; {} of each",
            output::counted(self.n_images, "image"),
            output::counted(per_image, "damaged image")
        ));
        let template = "corrupt {wide_bar} {human_pos}/{human_len} images, {per_sec}, {eta} left";
        let mut work = Work {
            damager: &self.damager,
            bar: progress::bar(output, Some(self.n_images), template),
            shown: Vec::new(),
            most_shown: self.sheet.as_ref().map_or(0, |_| self.args.sheet_images),
        };
        let started = Instant::now();
        // From here on it stops at the end of a batch and keeps what it has.
        interrupt::graceful(true);
        let done = match self.target {
            Target::Table(table) => work.table(self.images, *table),
            Target::Folder(folder) => work.folder(self.images, folder),
        };
        interrupt::graceful(false);
        work.bar.finish_and_clear();
        let done = done?;
        let elapsed = started.elapsed();
        let n_rejected = done.rejects.len() as u64;
        let rejects =
            image_table::write_rejects(&self.rejects, self.id_name, &done.rejects, output)?;
        if let Some(file) = self.sheet {
            let (kinds, severities) = (&self.corruptions, &self.severities);
            let sheet = Sheet::new(&self.corrupter, &work.shown, kinds, severities)?;
            let bytes = if is_html(file.path()) {
                sheet.html()?.into_bytes()
            } else {
                ImageFormat::Png.encode(&sheet.picture()?)?
            };
            container::write(&bytes, file)?;
        }
        let n_images = self.n_images - n_rejected;
        let seconds = elapsed.as_secs_f64();
        let now = (n_images - done.n_resumed) * per_image;
        let report = CorruptReport {
            report_version: REPORT_VERSION,
            input: self.args.images.display().to_string(),
            output: self.args.output.display().to_string(),
            sheet: (self.args.sheet.as_ref()).map(|path| path.display().to_string()),
            corruptions: named(&self.corruptions, |c| c.name().to_owned()),
            severities: named(&self.severities, |s| s.get()),
            parameters: self.args.params.clone(),
            format: self.format.to_string(),
            n_images,
            n_damaged: n_images * per_image,
            n_resumed: done.n_resumed,
            n_rejected,
            rejects,
            corrupt_seconds: seconds,
            damaged_per_second: now as f64 / seconds.max(1e-9),
        };
        output.result(&report, || summary(&report, elapsed))
    }
}

/// Damaging under way.
struct Work<'a> {
    damager: &'a Damager,
    bar: ProgressBar,
    /// The first images, for the contact sheet.
    shown: Vec<Item>,
    most_shown: usize,
}

/// What came of it.
struct Done {
    /// Images taken over from an interrupted run.
    n_resumed: u64,
    rejects: Vec<Reject>,
}

impl Work<'_> {
    fn table(
        &mut self,
        images: ReadAhead<Images>,
        Table { schema, mut sink }: Table,
    ) -> Result<Done> {
        let (damager, bar) = (self.damager, self.bar.clone());
        let per_image = damager.rows_per_image();
        bar.set_position(sink.n_images);
        bar.reset_eta();
        let outcome = pipeline::run(
            images,
            |images| {
                self.begin(&images.items)?;
                Ok((damager.rows(&images.items, &schema)?, images.rejects))
            },
            |(rows, rejects)| {
                bar.inc((rows.num_rows() / per_image) as u64);
                sink.write(rows, rejects)
            },
        );
        outcome.map_err(|error| sink.stopped(error))?;
        let done = Done {
            n_resumed: sink.n_resumed,
            rejects: sink.rejects.clone(),
        };
        sink.finish()?;
        Ok(done)
    }

    fn folder(&mut self, images: ReadAhead<Images>, folder: DamagedFolder) -> Result<Done> {
        let (damager, bar) = (self.damager, self.bar.clone());
        let mut done = Done {
            n_resumed: 0,
            rejects: Vec::new(),
        };
        let outcome = pipeline::run(
            images,
            |images| {
                self.begin(&images.items)?;
                let n = images.items.len();
                let items = images.items.into_iter();
                let items: Vec<Item> = items.filter(|item| !folder.has(damager, item)).collect();
                Ok((damager.damage(&items)?, n, n - items.len(), images.rejects))
            },
            |(damaged, n, n_resumed, rejects)| {
                bar.inc(n as u64);
                done.n_resumed += n_resumed as u64;
                done.rejects.extend(rejects);
                folder.write(&damaged)
            },
        );
        outcome.map_err(|error| folder.stopped(error))?;
        folder.finish()?;
        Ok(done)
    }

    /// Keeps the first images, unless the run is to stop.
    fn begin(&mut self, items: &[Item]) -> Result<()> {
        if interrupt::asked() {
            bail!("interrupted");
        }
        let more = (self.most_shown - self.shown.len()).min(items.len());
        self.shown.extend(items.iter().take(more).cloned());
        Ok(())
    }
}

fn named<T, S>(values: &[T], name: impl Fn(&T) -> S) -> Vec<S> {
    values.iter().map(name).collect()
}

/// `3`, `1,5`, `1-5`.
pub(super) fn severities(text: &str) -> Result<Vec<Severity>, qualm_vision::Error> {
    let wrong = || qualm_vision::Error::Severity {
        found: text.to_owned(),
    };
    let one = |word: &str| word.trim().parse().map_err(|_| wrong());
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last): (u8, u8) = match part.split_once('-') {
            Some((first, last)) => (one(first)?, one(last)?),
            None => (one(part)?, one(part)?),
        };
        if first > last {
            return Err(wrong());
        }
        for severity in first..=last {
            found.push(Severity::new(severity).map_err(|_| wrong())?);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether the output is a table; a name that looks like another file is refused.
fn is_table(path: &Path) -> Result<bool> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => Ok(true),
        Some(other) if !path.is_dir() && other.chars().all(char::is_alphanumeric) => bail!(
            "{}: cannot write a .{other}; expected a .parquet file, or the name of a folder",
            path.display()
        ),
        _ => Ok(false),
    }
}

fn refuse_existing(path: &Path) -> Result<()> {
    if path.exists() {
        bail!(
            "{}: is there already; remove it, or choose another --output",
            path.display()
        );
    }
    Ok(())
}

fn is_html(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("html"))
}

/// Takes the place of the contact sheet.
fn sheet_file(args: &Corrupt, inputs: &[&Path]) -> Result<Option<AtomicFile>> {
    let Some(path) = &args.sheet else {
        return Ok(None);
    };
    refuse_same("--sheet", path, inputs)?;
    let known = is_html(path)
        || path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if !known {
        bail!(
            "{}: cannot tell the kind of sheet; expected .html or .png",
            path.display()
        );
    }
    let file = AtomicFile::create(path)?;
    interrupt::remove_on_exit(file.temporary());
    Ok(Some(file))
}

fn summary(report: &CorruptReport, elapsed: Duration) -> String {
    let resumed = match report.n_resumed {
        0 => String::new(),
        n => format!(", {} of them from before", indicatif::HumanCount(n)),
    };
    let sheet = report.sheet.as_ref();
    let sheet = sheet.map(|path| format!("sheet     {path}\n"));
    format!(
        "damaged   {}{resumed}, by {} at {} in {} ({:.0} damaged images/s)\n\
         images    {} ({})\n{}",
        output::counted(report.n_images, "image"),
        output::counted(report.corruptions.len() as u64, "corruption"),
        if report.severities.len() == 1 {
            "1 severity".to_owned()
        } else {
            format!("{} severities", report.severities.len())
        },
        output::seconds(elapsed),
        report.damaged_per_second,
        report.output,
        report.format,
        sheet.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_numbers_and_ranges() {
        let of = |text| severities(text).map(|s| named(&s, |s| s.get()));
        assert_eq!(of("3").expect("one"), [3]);
        assert_eq!(of("5,1").expect("two"), [1, 5]);
        assert_eq!(of("1-5").expect("all"), [1, 2, 3, 4, 5]);
        for text in ["6", "0", "1-6", "5-1", "x", "", "1,,2"] {
            let error = of(text).expect_err("refused").to_string();
            assert!(error.contains("from 1 to 5"), "{text}: {error}");
        }
    }
}
