//! Encoders from files: small ONNX graphs against onnxruntime in Python, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use qualm_vision::encoder::{self, Encoder, EncoderOptions, FileEncoder};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Whether this machine has an onnxruntime: tests of ONNX files are skipped without.
static ONNXRUNTIME: LazyLock<bool> = LazyLock::new(|| {
    let options = EncoderOptions {
        preprocessing: Some("akamaster".to_owned()),
        ..EncoderOptions::default()
    };
    match encoder::open(&golden("onnx/f32_nchw_free.onnx"), &options) {
        Ok(_) => true,
        Err(error) if error.to_string().contains("was not found") => false,
        Err(error) => panic!("{error}"),
    }
});

pub(super) fn skipped(what: &str) -> bool {
    if !*ONNXRUNTIME {
        eprintln!("{what}: skipped, no onnxruntime on this machine");
    }
    !*ONNXRUNTIME
}

/// Opens a copy of a golden graph in a folder of its own, beside a sidecar.
fn open(file: &str, sidecar: &str) -> (tempfile::TempDir, Result<FileEncoder, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::copy(golden("onnx").join(file), &path).unwrap();
    std::fs::write(folder.path().join("encoder.toml"), sidecar).unwrap();
    let opened = encoder::open(&path, &EncoderOptions::default());
    (folder, opened.map_err(|e| e.to_string()))
}

#[test]
fn graphs_give_what_onnxruntime_gives_in_python() {
    if skipped("ONNX graphs") {
        return;
    }
    let cases = std::fs::read_to_string(golden("onnx.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let mut sidecar = "preprocessing = 'akamaster'\nsize = 16\n".to_owned();
        for (key, value) in case["keys"].as_object().unwrap() {
            sidecar = format!("{sidecar}{key} = {value}\n");
        }
        let (_folder, encoder) = open(file, &sidecar);
        let encoder = encoder.unwrap();
        let check = encoder::check(&encoder).unwrap();
        assert!(check.same_bits, "{file}");
        let expected: Vec<f64> = serde_json::from_value(case["row"].clone()).unwrap();
        assert_eq!((check.vector.len(), encoder.identity().width), (6, 6));
        let tolerance = if file.starts_with("f16") { 2e-3 } else { 1e-5 };
        for (found, expected) in check.vector.iter().zip(&expected) {
            assert!(
                (f64::from(*found) - expected).abs() < tolerance,
                "{file}: {:?}, expected {expected:?}",
                check.vector
            );
        }
    }
}

/// A ResNet-8 in half precision, written by PyTorch.
#[test]
fn a_pytorch_file_gives_the_features_of_pytorch() {
    let options = EncoderOptions {
        preprocessing: Some("akamaster".to_owned()),
        ..EncoderOptions::default()
    };
    let opened = encoder::open(&golden("weights/resnet8.pth"), &options).unwrap();
    assert_eq!(opened.describe().architecture, "resnet8");
    assert_eq!(opened.resnet().unwrap().n_classes(), Some(10));
    let json = std::fs::read_to_string(golden("weights.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let expected: Vec<f64> = serde_json::from_value(json["features"].clone()).unwrap();
    let check = encoder::check(&opened).unwrap();
    assert!(check.same_bits);
    for (found, expected) in check.vector.iter().zip(&expected) {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 1e-5, "{found}, expected {expected}");
    }
}

fn refusal(path: &Path, preprocessing: Option<&str>) -> String {
    let options = EncoderOptions {
        preprocessing: preprocessing.map(str::to_owned),
        ..EncoderOptions::default()
    };
    let text = encoder::open(path, &options).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn files_that_are_no_encoder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (path, words) in [
        (folder.path().join("absent.onnx"), "cannot read"),
        (put("empty.onnx", b""), "an empty file, not an encoder"),
        (
            put("text.txt", b"some text"),
            "a file of another kind, not an encoder",
        ),
        (
            put("cut.safetensors", b"\x10\0\0\0\0\0\0\0{\"a\""),
            "corrupt: the file is",
        ),
        (put("cut.pth", b"PK\x03\x04rest"), "corrupt: the archive is"),
        (golden("weights/legacy.pth"), "convert it once: python -c"),
        (golden("weights/plain.pth"), "there is no first convolution"),
    ] {
        let text = refusal(&path, Some("cifar"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name) && text.contains(words), "{text}");
    }
}

#[test]
fn preprocessing_is_asked_for_and_checked() {
    let resnet = golden("weights/resnet8.pth");
    let text = refusal(&resnet, None);
    assert!(
        text.contains("size, filter, crop, mean, std of its preprocessing are not known")
            && text
                .contains("timm, imagenet, clip, siglip2, dinov2, dinov3, sscd, cifar, akamaster")
            && text.contains("resnet8.toml"),
        "{text}"
    );
    let text = refusal(&resnet, Some("resnet"));
    assert!(
        text.contains("no built-in preprocessing is called 'resnet'"),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    let sidecar = folder.path().join("keys.toml");
    for (keys, words) in [
        ("preprocessing = 'cifar'\nsise = 3", "unknown field `sise`"),
        ("preprocessing = 'cifa'", "unknown variant `cifa`"),
        (
            "preprocessing = 'cifar'\nsize = 0",
            "size = 0 x 0: expected one side",
        ),
        (
            "preprocessing = 'cifar'\nsize = 'big'",
            "expected a number, or [height, width]",
        ),
        (
            "preprocessing = 'cifar'\nstd = [0, 1, 1]",
            "std = [0.0, 1.0, 1.0]",
        ),
        (
            "preprocessing = 'cifar'\nmean = [1, 1]",
            "an array of length 3",
        ),
        (
            "preprocessing = 'timm'\nsize = [32, 16]",
            "crop = 'centre' with size 32 x 16",
        ),
        (
            "preprocessing = 'timm'\ncrop_fraction = 2.0",
            "crop_fraction = 2",
        ),
        (
            "preprocessing = 'cifar'\ncrop_fraction = 0.5",
            "expected 1 without a crop",
        ),
        (
            "preprocessing = 'clip'\nantialias = false",
            "antialias = false: expected true",
        ),
        (
            "preprocessing = 'cifar'\ndtype = 'uint8'",
            "dtype = uint8: expected 'float32'",
        ),
        (
            "preprocessing = 'cifar'\noutput = 'x'",
            "output = x: expected none",
        ),
        (
            "preprocessing = 'cifar'\npooling = 'gap'",
            "pooling = gap: expected 'none'",
        ),
        (
            "size = 32\nfilter = 'bilinear'\ncrop = 'none'\nmean = [0, 0, 0]",
            "std of its preprocessing is not",
        ),
        ("= 3", "keys.toml"),
    ] {
        std::fs::write(&sidecar, keys).unwrap();
        let text = refusal(&resnet, Some(sidecar.to_str().unwrap()));
        assert!(text.contains(words), "{keys}: {text}");
    }
    std::fs::write(&sidecar, "#".repeat(2 << 20)).unwrap();
    let text = refusal(&resnet, Some(sidecar.to_str().unwrap()));
    assert!(text.contains("too many for the few keys"), "{text}");
}

/// What stands beside an encoder is found, the file of its own name first; its digest tells.
#[test]
fn sidecars_are_found_by_name_then_by_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.pth");
    std::fs::copy(golden("weights/resnet8.pth"), &path).unwrap();
    let open = || encoder::open(&path, &EncoderOptions::default()).unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("encoder.toml", "preprocessing = 'cifar'\nl2 = true");
    let first = open();
    assert!(first.preprocessing_origin().ends_with("encoder.toml"));
    let check = encoder::check(&first).unwrap();
    let norm: f32 = check.vector.iter().map(|v| v * v).sum();
    assert!((norm - 1.0).abs() < 1e-5);
    put("mine.toml", "preprocessing = 'akamaster'");
    let second = open();
    assert!(second.preprocessing_origin().ends_with("mine.toml"));
    assert_eq!(second.identity().name, "mine.pth");
    assert_ne!(first.identity().digest, second.identity().digest);
    assert_eq!(open().identity(), second.identity());
}

#[test]
fn graphs_that_do_not_fit_are_named() {
    if skipped("ONNX graphs that do not fit") {
        return;
    }
    let akamaster = "preprocessing = 'akamaster'\n";
    for (file, keys, words) in [
        ("unknown_operator.onnx", "", "NoSuchOperator"),
        ("two_inputs.onnx", "", "input count is 2 (image, other)"),
        (
            "grey.onnx",
            "size = 8",
            "input image: float32 (?, 1, 8, 8); expected",
        ),
        (
            "integers.onnx",
            "",
            "output out: int64 (?, 1); expected float32",
        ),
        (
            "f16_nchw.onnx",
            "size = 32",
            "input image: float16 (?, 3, 16, 16); expected",
        ),
        (
            "f16_nchw.onnx",
            "dtype = 'float32'",
            "expected what its preprocessing makes, float32",
        ),
        (
            "u8_nchw.onnx",
            "mean = [0, 0, 0]",
            "mean = [0.0, 0.0, 0.0]: expected none",
        ),
        (
            "u8_nchw.onnx",
            "layout = 'nhwc'",
            "input image: uint8 (?, 3, 16, 16)",
        ),
        (
            "f32_nchw_free.onnx",
            "output = 'x'",
            "output 'x' is not there; expected one of: vector",
        ),
        ("maps.onnx", "", "pooling = 'gap'"),
        (
            "cls.onnx",
            "output = 'tokens'",
            "say pooling = 'cls' or 'mean'",
        ),
        (
            "maps.onnx",
            "pooling = 'cls'",
            "of a map, say pooling = 'gap'",
        ),
        // The kernel of 4 x 4 pixels does not fit.
        ("f32_nchw_free.onnx", "size = 2", "onnxruntime stopped"),
    ] {
        let (_folder, opened) = open(file, &format!("{akamaster}{keys}"));
        let text = opened.unwrap_err();
        let named = text.contains(file) || text.contains("encoder.toml");
        assert!(named && text.contains(words), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.onnx");
    std::fs::write(&path, "no protocol buffer").unwrap();
    let text = refusal(&path, Some("clip"));
    assert!(
        text.contains("text.onnx: onnxruntime") && text.contains("does not load it"),
        "{text}"
    );
    // An input of bytes at a fixed size needs little else.
    let (_folder, opened) = open("u8_nchw.onnx", "filter = 'nearest'\ncrop = 'none'");
    assert_eq!(opened.unwrap().preprocessing().size.height, 16);
}
