//! Small data in every format that the command line reads.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field};

/// `n` rows of width `d`, the same for the same seed, roughly normal, rounded to float32.
pub fn rows(n: usize, d: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || (0..6).map(|_| uniform()).sum::<f64>() - 3.0;
    (0..n)
        .map(|_| (0..d).map(|_| f64::from(normal() as f32)).collect())
        .collect()
}

/// Names `a`, `b`, ... for columns.
pub fn names(d: usize) -> Vec<String> {
    (0..d)
        .map(|j| match u8::try_from(j) {
            Ok(j) if j < 26 => char::from(b'a' + j).to_string(),
            _ => format!("x{j}"),
        })
        .collect()
}

/// Rows as CSV with the header of [`names`].
pub fn csv(rows: &[Vec<f64>]) -> String {
    let lines = rows
        .iter()
        .map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>());
    let header = names(rows.first().map_or(0, Vec::len));
    std::iter::once(header)
        .chain(lines)
        .map(|fields| fields.join(",") + "\n")
        .collect()
}

/// CSV text with one more column.
pub fn with_column(csv: &str, name: &str, value: impl Fn(usize) -> String) -> String {
    csv.lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => format!("{name},{line}\n"),
            i => format!("{},{line}\n", value(i - 1)),
        })
        .collect()
}

/// Rows as a record batch of float64 columns.
pub fn batch(rows: &[Vec<f64>]) -> RecordBatch {
    let d = rows.first().map_or(0, Vec::len);
    let columns = names(d).into_iter().enumerate().map(|(j, name)| {
        let values: Float64Array = rows.iter().map(|row| Some(row[j])).collect();
        (name, Arc::new(values) as ArrayRef)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Rows as a record batch of one vector column.
pub fn vectors(rows: &[Vec<f64>], name: &str) -> RecordBatch {
    let d = rows.first().map_or(0, Vec::len);
    let values: Float32Array = rows.iter().flatten().map(|v| Some(*v as f32)).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let list = FixedSizeListArray::new(item, i32::try_from(d).unwrap(), Arc::new(values), None);
    RecordBatch::try_from_iter([(name, Arc::new(list) as ArrayRef)]).unwrap()
}

pub fn parquet(path: &Path, batch: &RecordBatch) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

pub fn arrow(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// The bytes of an `.npy` array.
fn array(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(text.len() + 11).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), values].concat()
}

/// The bytes of an `.npy` array of float32.
pub fn npy(rows: &[Vec<f64>]) -> Vec<u8> {
    let d = rows.first().map_or(0, Vec::len);
    let values = rows.iter().flatten();
    let values: Vec<u8> = values.flat_map(|v| (*v as f32).to_le_bytes()).collect();
    array("<f4", &format!("({}, {d})", rows.len()), &values)
}

/// An `.npz` archive with one array.
pub fn npz(path: &Path, rows: &[Vec<f64>]) {
    archive(path, &[("embeddings", npy(rows))]);
}

/// An `.npz` archive of rows `X` and labels `y`.
pub fn labelled_npz(path: &Path, rows: &[Vec<f64>], labels: &[u8]) {
    let labels = array("|u1", &format!("({},)", labels.len()), labels);
    archive(path, &[("X", npy(rows)), ("y", labels)]);
}

/// An `.npz` archive of what a classifier computed: features, logits and labels of `n` items in
/// three classes; the items are `shift` off.
pub fn activations(path: &Path, n: usize, seed: u64, shift: f64) {
    let mut features = rows(n, 6, seed);
    for (i, row) in features.iter_mut().enumerate() {
        row[i % 3] += 5.0;
        row[0] += shift;
        row[5] += shift;
    }
    let logits = features.iter().map(|row| {
        let logit = |c: usize| f64::from((row[c] + 0.2 * row[c + 3] - 0.5) as f32);
        (0..3).map(logit).collect()
    });
    let logits: Vec<Vec<f64>> = logits.collect();
    let first = features
        .iter()
        .map(|row| row[..4].iter().map(|x| x.tanh()).collect());
    let first: Vec<Vec<f64>> = first.collect();
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    let numbers: Vec<u8> = (0..n).map(|i| i as u8).collect();
    let shape = format!("({n},)");
    archive(
        path,
        &[
            ("stage1", npy(&first)),
            ("features", npy(&features)),
            ("logits", npy(&logits)),
            ("label", array("|i1", &shape, &labels)),
            ("id", array("|u1", &shape, &numbers)),
            // Of another number of rows, and not asked for.
            ("weight", npy(&rows(3, 6, 1))),
        ],
    );
}

fn archive(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let options = options.compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}
