//! Any bytes at all: the model reader says no, quickly, without a panic and without
//! allocating more than the file's size warrants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;

mod baselines;
mod neighbours;
mod tensors;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::{blob_matrix, file, keys, sealed, small};
use proptest::prelude::*;
use qualm::{Error, Fitted};
use serde_json::{Value, json};

const D: usize = 4;

// ---- memory ---------------------------------------------------------------------------

thread_local! {
    /// Bytes asked for by this thread since the last reset, freed or not.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread asks for.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed on unchanged to the system's allocator; the counter is a
// thread-local `Cell` with a constant start and no destructor, so it never allocates.
#[expect(
    unsafe_code,
    reason = "the trait of an allocator is unsafe to implement"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get().saturating_add(layout.size())));
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let more = size.saturating_sub(layout.size());
        let _ = ASKED.try_with(|asked| asked.set(asked.get().saturating_add(more)));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Reads a model under watch: neither long nor large, whatever comes of it. What is asked
/// for in all, counting what is freed again, is bounded by a multiple of the file, since
/// the header's JSON is parsed into small pieces.
fn read(bytes: &[u8]) -> Result<Fitted, Error> {
    ASKED.set(0);
    let start = Instant::now();
    let result = Fitted::from_bytes(bytes);
    let (asked, seconds) = (ASKED.get(), start.elapsed());
    let most = 40 * bytes.len() + (1 << 18);
    assert!(asked <= most, "{asked} bytes for a file of {}", bytes.len());
    assert!(seconds < Duration::from_secs(2), "{seconds:?}");
    result
}

// ---- files ----------------------------------------------------------------------------

/// A small model, whole.
static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let spec = small(json!({"hidden": 8, "fourier_features": 8, "members": 2}));
    let fitted = spec.fit(blob_matrix(1, 60, D).rows(), 0, &mut ());
    fitted.unwrap().to_bytes().unwrap()
});

/// The model's header and body.
fn parts() -> (Value, Vec<u8>) {
    parts_of(&MODEL)
}

/// The header and body of a model.
fn parts_of(model: &[u8]) -> (Value, Vec<u8>) {
    let len = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let header = serde_json::from_slice(&model[8..8 + len]).unwrap();
    (header, model[8 + len..].to_vec())
}

/// The model with its safetensors header changed.
fn with_header(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, body) = parts();
    change(&mut header);
    sealed(header, &body)
}

/// The model with its own JSON document changed.
fn with_json(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_header(|header| {
        let text = header["__metadata__"]["qualm"].as_str().unwrap();
        let mut json: Value = serde_json::from_str(text).unwrap();
        change(&mut json);
        header["__metadata__"]["qualm"] = json.to_string().into();
    })
}

/// Where a tensor lies in the body.
fn extent(header: &Value, name: &str) -> Range<usize> {
    let at = |i: usize| header[name]["data_offsets"][i].as_u64().unwrap() as usize;
    at(0)..at(1)
}

/// The model with the values of one tensor replaced.
fn with_tensor(name: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (header, mut body) = parts();
    change(&mut body[extent(&header, name)]);
    sealed(header, &body)
}

fn fill<const N: usize>(pattern: [u8; N]) -> impl Fn(&mut [u8]) {
    move |bytes| {
        for value in bytes.chunks_exact_mut(N) {
            value.copy_from_slice(&pattern);
        }
    }
}

#[test]
fn the_parts_put_together_are_a_model() {
    // Else the tests below would refuse files for the wrong reason.
    assert!(read(&with_header(|_| ())).is_ok());
    assert!(read(&with_json(|_| ())).is_ok());
    assert!(read(&with_tensor("typical", |_| ())).is_ok());
}

// ---- the container ----------------------------------------------------------------------

#[test]
fn a_header_that_is_none_is_refused() {
    let huge = |len: u64| [&len.to_le_bytes()[..], b"{}"].concat();
    for (what, bytes) in [
        ("nothing", vec![]),
        ("half a length", vec![1, 2, 3]),
        ("length 0", huge(0)),
        ("a length past the end", huge(3)),
        ("64 MiB of header", huge(64 << 20)),
        ("the longest header", huge(u64::MAX)),
        ("a length that overflows", huge(u64::MAX - 7)),
        ("no JSON", file("not JSON", b"")),
        ("a list", file("[]", b"")),
        (
            "no UTF-8",
            [&2u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(),
        ),
        ("deep nesting", file(&"[".repeat(100_000), b"")),
        ("deep objects", file(&r#"{"a":"#.repeat(100_000), b"")),
        ("no tensors, no metadata", file("{}", b"")),
        (
            "metadata without us",
            file(r#"{"__metadata__":{"a":"b"}}"#, b""),
        ),
        (
            "metadata of numbers",
            file(r#"{"__metadata__":{"qualm":1}}"#, b""),
        ),
        (
            "a model without tensors",
            with_header(|h| *h = json!({"__metadata__": h["__metadata__"]})),
        ),
    ] {
        let error = read(&bytes).expect_err(what);
        let named = matches!(error, Error::NotAModel { .. } | Error::CorruptModel { .. });
        assert!(named, "{what}: {error}");
    }
}

#[test]
fn tensors_that_do_not_cover_the_file_are_refused() {
    let offsets = |name: &'static str, i: usize, by: i64| {
        with_header(move |h| {
            let old = h[name]["data_offsets"][i].as_i64().unwrap();
            h[name]["data_offsets"][i] = (old + by).into();
        })
    };
    let shape = |shape: Value| with_header(|h| h["typical"]["shape"] = shape);
    let set = |key: &'static str, value: Value| with_header(move |h| h["typical"][key] = value);
    let mut longer = MODEL.clone();
    longer.push(0);
    for (what, bytes) in [
        ("an extra byte", longer),
        ("a byte short", MODEL[..MODEL.len() - 1].to_vec()),
        ("overlapping", offsets("typical", 0, -4)),
        ("a gap", offsets("typical", 0, 4)),
        ("past the end", offsets("typical", 1, 1 << 40)),
        ("backwards", set("data_offsets", json!([16, 0]))),
        ("negative offsets", set("data_offsets", json!([-16, 0]))),
        ("three offsets", set("data_offsets", json!([0, 8, 16]))),
        ("another shape", shape(json!([D + 1]))),
        ("a matrix", shape(json!([2, 2]))),
        ("a negative shape", shape(json!([-4]))),
        (
            "a shape that overflows",
            shape(json!([1u64 << 60, 1u64 << 60])),
        ),
        (
            "a shape that wraps to 4",
            shape(json!([(1u64 << 63) + 2, 2])),
        ),
        ("float16", set("dtype", json!("F16"))),
        ("integers of the same size", set("dtype", json!("I32"))),
        ("an unknown type", set("dtype", json!("F128"))),
        ("a tensor twice", {
            let (header, body) = parts();
            let twice = header
                .to_string()
                .replacen("\"typical\"", "\"member.0.shift\"", 1);
            file(&twice, &body)
        }),
    ] {
        let error = read(&bytes).expect_err(what);
        let named = matches!(error, Error::NotAModel { .. } | Error::CorruptModel { .. });
        assert!(named, "{what}: {error}");
    }
}

#[test]
fn values_that_no_fit_leaves_are_refused() {
    let nan = f32::NAN.to_le_bytes();
    let infinity = f64::INFINITY.to_le_bytes();
    for (name, bytes) in [
        ("typical", with_tensor("typical", fill(nan))),
        ("member.0.shift", with_tensor("member.0.shift", fill(nan))),
        (
            "member.1.frequencies",
            with_tensor("member.1.frequencies", fill(nan)),
        ),
        (
            "member.1.network.2.bias",
            with_tensor("member.1.network.2.bias", fill(nan)),
        ),
        (
            "calibration.scores",
            with_tensor("calibration.scores", fill(infinity)),
        ),
        (
            "member.0.scale",
            with_tensor("member.0.scale", fill(infinity)),
        ),
        (
            "member.0.scale",
            with_tensor("member.0.scale", fill(0f64.to_le_bytes())),
        ),
        (
            "member.0.scale",
            with_tensor("member.0.scale", fill((-1f64).to_le_bytes())),
        ),
    ] {
        let error = read(&bytes).unwrap_err();
        let right = matches!(&error, Error::CorruptModel { part, .. } if part == name);
        assert!(right, "{name}: {error}");
    }
    // No reference scores at all: their bytes given to a tensor that nobody asks for.
    let empty = with_header(|h| {
        let taken = h["calibration.scores"].take();
        let start = taken["data_offsets"][0].clone();
        h["a.tensor.nobody.asks.for"] = taken;
        h["calibration.scores"] =
            json!({"dtype": "F64", "shape": [0], "data_offsets": [start, start]});
    });
    let error = read(&empty).unwrap_err();
    assert!(error.to_string().contains("calibration.scores"), "{error}");
}

/// Weights so large that the network overflows make an error, never a score.
#[test]
fn a_score_that_overflows_is_an_error() {
    let (header, mut body) = parts();
    for name in ["member.0.network.0.bias", "member.0.network.1.weight"] {
        fill(3e38f32.to_le_bytes())(&mut body[extent(&header, name)]);
    }
    let bytes = sealed(header, &body);
    let fitted = read(&bytes).unwrap();
    let error = fitted.score(blob_matrix(1, 60, D).rows()).unwrap_err();
    assert!(matches!(error, Error::ScoreNotFinite { .. }), "{error}");
}

// ---- the metadata -----------------------------------------------------------------------

#[test]
fn metadata_out_of_range_is_refused_without_the_work_it_asks_for() {
    let spec = |key: &'static str, value: Value| with_json(move |j| j["spec"][key] = value);
    let top = |key: &'static str, value: Value| with_json(move |j| j[key] = value);
    let width = |width: Value| {
        top(
            "features",
            json!({"vector": {"name": null, "width": width}}),
        )
    };
    for (what, bytes) in [
        ("another format", top("format", json!("qualm-checkpoint"))),
        ("no format", top("format", Value::Null)),
        ("version 0", top("format_version", json!(0))),
        ("a negative version", top("format_version", json!(-1))),
        ("a version in words", top("format_version", json!("1"))),
        ("hidden 0", spec("hidden", json!(0))),
        ("hidden 2^60", spec("hidden", json!(1u64 << 60))),
        ("hidden at its limit", spec("hidden", json!(65_536))),
        ("a billion layers", spec("layers", json!(1_000_000_000))),
        ("layers 0", spec("layers", json!(0))),
        ("64 layers", spec("layers", json!(64))),
        ("a billion members", spec("members", json!(1_000_000_000))),
        ("no members", spec("members", json!(0))),
        ("a thousand members", spec("members", json!(1000))),
        (
            "huge fourier_features",
            spec("fourier_features", json!(1u64 << 62)),
        ),
        (
            "more fourier_features",
            spec("fourier_features", json!(65_536)),
        ),
        ("odd fourier_features", spec("fourier_features", json!(7))),
        ("one row a bag", spec("bag_size", json!(1))),
        ("another covariance", spec("covariance", json!("diagonal"))),
        ("an unknown space", spec("space", json!("torus"))),
        ("an unknown key", spec("colour", json!("red"))),
        ("an unknown detector", spec("detector", json!("oracle"))),
        ("no specification", top("spec", Value::Null)),
        ("no features", width(json!(0))),
        ("2^60 features", width(json!(1u64 << 60))),
        ("2^64 - 1 features", width(json!(u64::MAX))),
        ("minus one feature", width(json!(-1))),
        ("a feature too many", width(json!(D + 1))),
        (
            "features without names",
            top("features", json!({"columns": []})),
        ),
        ("fpr 2", top("threshold", json!({"fpr": 2}))),
        (
            "contamination 0.6",
            top("threshold", json!({"contamination": 0.6})),
        ),
        ("an unknown cut", top("threshold", json!({"sigma": 3}))),
        ("no provenance", top("provenance", Value::Null)),
    ] {
        let error = read(&bytes).expect_err(what);
        assert!(
            matches!(error, Error::CorruptModel { .. }),
            "{what}: {error}"
        );
    }
}

#[test]
fn a_later_version_says_what_to_do() {
    // Even when nothing else in it is as we know it.
    for rest in [json!({}), json!({"spec": 7, "features": null})] {
        let bytes = with_json(|json| {
            json.as_object_mut().unwrap().extend(keys(rest));
            json["format_version"] = 999.into();
        });
        let error = read(&bytes).unwrap_err();
        assert!(matches!(
            error,
            Error::NewerModel {
                found: 999,
                supported: 3,
                ..
            }
        ));
        let message = error.to_string();
        for part in ["999", "version 3", "upgrade qualm"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

// ---- files on disk ----------------------------------------------------------------------

#[test]
fn what_is_no_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.qualm");
    for path in [missing, folder.path().to_owned()] {
        let error = Fitted::load(&path).unwrap_err();
        assert!(matches!(error, Error::ReadModel { .. }), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    // Devices have length 0 and may never end.
    for device in ["/dev/zero", "/dev/null"] {
        if std::fs::exists(device).unwrap() {
            let error = Fitted::load(device).unwrap_err();
            assert!(matches!(error, Error::NotAModel { .. }), "{error}");
        }
    }
}

// ---- any bytes --------------------------------------------------------------------------

/// Whatever loads must also score, or say why not.
fn read_and_score(bytes: &[u8]) {
    let Ok(fitted) = read(bytes) else { return };
    let rows = blob_matrix(5, 3, fitted.n_features().min(1000));
    match fitted.score(rows.rows()) {
        Ok(scores) => assert!(scores.iter().all(|s| s.is_finite())),
        Err(Error::ScoreNotFinite { .. } | Error::Width { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let again = Fitted::from_bytes(&fitted.to_bytes().unwrap()).unwrap();
    assert_eq!(again.spec(), fitted.spec());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_file_is_refused(share in 0.0..1.0) {
        let len = (share * MODEL.len() as f64) as usize;
        let error = read(&MODEL[..len]).unwrap_err();
        let right = matches!(error, Error::NotAModel { .. });
        prop_assert!(right, "{error}");
    }

    #[test]
    fn flipped_bits_are_no_panic(flips in prop::collection::vec((0.0..1.0, 0u32..8), 1..6)) {
        let mut bytes = MODEL.clone();
        for (share, bit) in flips {
            let at = (share * bytes.len() as f64) as usize;
            bytes[at] ^= 1 << bit;
        }
        read_and_score(&bytes);
    }

    #[test]
    fn a_flipped_bit_of_a_tensor_is_refused(share in 0.0..1.0, bit in 0u32..8) {
        let (header, mut body) = parts();
        let at = (share * body.len() as f64) as usize;
        body[at] ^= 1 << bit;
        let error = read(&file(&header.to_string(), &body)).unwrap_err();
        prop_assert!(matches!(error, Error::CorruptModel { .. }), "{error}");
    }

    #[test]
    fn flipped_bits_of_the_header_are_no_panic(
        flips in prop::collection::vec((0.0..1.0, 0u32..8), 1..3)
    ) {
        let mut bytes = MODEL.clone();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (share, bit) in flips {
            let at = (share * header as f64) as usize;
            bytes[at] ^= 1 << bit;
        }
        read_and_score(&bytes);
    }

    #[test]
    fn random_bytes_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        length in prop::option::of(0u64..400),
    ) {
        let mut bytes = bytes;
        if let (Some(length), true) = (length, bytes.len() >= 8) {
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn spliced_headers_are_no_panic(from in 0.0..1.0, to in 0.0..1.0, len in 1usize..200) {
        let mut bytes = MODEL.clone();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let at = |share: f64| 8 + (share * (header - len) as f64) as usize;
        bytes.copy_within(at(from)..at(from) + len, at(to));
        read_and_score(&bytes);
    }
}
