//! The presets on the small sets of the paper's Table 2: `cargo bench -p qualm --bench table2`.
//!
//! Reads `$QUALM_DATA/table2/*.parquet` (features and a `label` column, 1 = outlier), fits
//! each preset with five seeds on every set of at most 2,000 rows, and appends one line a
//! fit to `bench/table2/results.csv`. Fits that the file already holds are not run again.
//! Then the table in `docs/table2.md` is rewritten from that file.
//!
//! Options: `--presets default,sphere`, `--seeds 5`, `--table-only`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a program, not a library"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, read_to_string};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use qualm::Spec;
use qualm::data::{Selection, Source};
use qualm::stats::{Metrics, Spread};

const PRESETS: &str = "default,sphere,paper";
const MOST_ROWS: u64 = 2000;
const HEADER: &str = "dataset,preset,seed,n,d,n_outliers,auroc,auroc_unoriented,aupr,fit_seconds,score_seconds,status";

/// The paper's own number for its model, Table 2.
const PAPER: [(&str, f64); 6] = [
    ("arrhythmia", 76.6),
    ("ionosphere", 81.0),
    ("isolet", 100.0),
    ("optdigits", 99.6),
    ("pima", 81.5),
    ("wdbc", 96.9),
];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let Some(data) = std::env::var_os("QUALM_DATA") else {
        println!("table2: skipped, QUALM_DATA names no folder");
        return Ok(());
    };
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| -> String {
        let at = args.iter().position(|a| a == name);
        at.and_then(|i| args.get(i + 1))
            .map_or(default, String::as_str)
            .to_owned()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let results = root.join("bench/table2/results.csv");
    if !args.iter().any(|a| a == "--table-only") {
        let presets = option("--presets", PRESETS);
        let seeds = option("--seeds", "5").parse()?;
        run(&Path::new(&data).join("table2"), &results, &presets, seeds)?;
    }
    let table = table(&read_to_string(&results)?)?;
    print!("{table}");
    replace_between(&root.join("docs/table2.md"), &table)
}

/// Runs what the results do not hold yet.
fn run(folder: &Path, results: &Path, presets: &str, seeds: u64) -> Outcome<()> {
    let done = read_to_string(results).unwrap_or_default();
    let mut file = OpenOptions::new().create(true).append(true).open(results)?;
    if done.is_empty() {
        writeln!(file, "{HEADER}")?;
    }
    let mut sets: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    sets.sort();
    for preset in presets.split(',') {
        for path in &sets {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            for seed in 0..seeds {
                if done.contains(&format!("\n{name},{preset},{seed},")) {
                    continue;
                }
                if let Some(line) = fit(path, &name, preset, seed)? {
                    println!("{line}");
                    writeln!(file, "{line}")?;
                    file.sync_all()?;
                }
            }
        }
    }
    Ok(())
}

/// One fit; `None` for a set that is too large.
fn fit(path: &Path, name: &str, preset: &str, seed: u64) -> Outcome<Option<String>> {
    let selection = Selection {
        label: Some("label".to_owned()),
        read_label: true,
        ..Selection::default()
    };
    let source = Source::open(path, &selection, None)?;
    if source.n_rows_hint().is_none_or(|n| n > MOST_ROWS) {
        return Ok(None);
    }
    let batch = source.read_all()?;
    let rows = batch.rows.rows();
    let labels = batch.labels.unwrap_or_default();
    let outliers = labels.iter().filter(|l| **l).count();
    let head = format!(
        "{name},{preset},{seed},{},{},{outliers}",
        rows.n_rows(),
        rows.n_cols()
    );
    let started = Instant::now();
    let fitted = match Spec::preset("dum", preset)?.fit(rows, seed, &mut ()) {
        Ok(fitted) => fitted,
        Err(error) => {
            let status = error.to_string().replace([',', '\n'], ";");
            return Ok(Some(format!(
                "{head},,,,{:.3},,{status}",
                started.elapsed().as_secs_f64()
            )));
        }
    };
    let fit = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let scores = fitted.score(rows)?;
    let score = started.elapsed().as_secs_f64();
    let m = Metrics::compute(&scores, &labels)?;
    Ok(Some(format!(
        "{head},{:.6},{:.6},{:.6},{fit:.3},{score:.4},ok",
        m.auroc, m.auroc_unoriented, m.aupr
    )))
}

/// The results as Markdown: mean and standard deviation over seeds, in points.
fn table(results: &str) -> Outcome<String> {
    let mut cells: BTreeMap<(&str, &str), Vec<[f64; 3]>> = BTreeMap::new();
    let mut shapes = BTreeMap::new();
    let mut presets = Vec::new();
    for line in results.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [
            name,
            preset,
            _,
            n,
            d,
            outliers,
            auroc,
            unoriented,
            _,
            fit,
            ..,
        ] = fields[..]
        else {
            return Err(format!("bench/table2/results.csv: cannot read '{line}'").into());
        };
        shapes.insert(name, (n, d, outliers));
        if !presets.contains(&preset) {
            presets.push(preset);
        }
        if let (Ok(a), Ok(u), Ok(f)) =
            (auroc.parse::<f64>(), unoriented.parse::<f64>(), fit.parse())
        {
            cells
                .entry((name, preset))
                .or_default()
                .push([100.0 * a, 100.0 * u, f]);
        }
    }
    let mut out = String::from(
        "| set | n x d, outliers | preset | AUROC | unoriented | paper's DUM | seconds a fit |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, (n, d, outliers)) in &shapes {
        for preset in &presets {
            let Some(values) = cells.get(&(*name, *preset)) else {
                continue;
            };
            let column = |i: usize| Spread::of(&values.iter().map(|v| v[i]).collect::<Vec<_>>());
            let show = |spread: Option<Spread>| {
                spread.map_or_else(String::new, |s| {
                    format!("{:.1} ± {:.1}", s.mean, s.sd.unwrap_or(0.0))
                })
            };
            let paper = PAPER
                .iter()
                .find(|(set, _)| set == name)
                .map_or(f64::NAN, |(_, v)| *v);
            let seconds = column(2).map_or(0.0, |s| s.mean);
            writeln!(
                out,
                "| {name} | {n} x {d}, {outliers} | {preset} | {} | {} | {paper:.1} | {seconds:.1} |",
                show(column(0)),
                show(column(1)),
            )?;
        }
    }
    Ok(out)
}

/// Puts the table between the two marks of a document.
fn replace_between(path: &Path, table: &str) -> Outcome<()> {
    const MARKS: [&str; 2] = ["<!-- table: begin -->\n", "<!-- table: end -->"];
    let text = read_to_string(path)?;
    let (Some(begin), Some(end)) = (text.find(MARKS[0]), text.find(MARKS[1])) else {
        return Err(format!("{}: has no marks for the table", path.display()).into());
    };
    let (before, after) = (&text[..begin + MARKS[0].len()], &text[end..]);
    File::create(path)?.write_all(format!("{before}{table}{after}").as_bytes())?;
    Ok(())
}
