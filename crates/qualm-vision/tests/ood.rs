//! Out-of-distribution detectors over a classifier of images, against pytorch-ood:
//! `golden/ood.py` wrote the scores.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qualm::fit::{Signal, Work};
use qualm::nn::resnet::{Architecture, Role};
use qualm::ood::{OodFitted, OodSpec};
use qualm_vision::encoder::EncoderOptions;
use qualm_vision::ood::{Classifier, Extractor, Panel, calibrate, fit};
use qualm_vision::read::{ImageSource, ReadOptions};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

const SIDE: usize = 8;
const N: usize = 90;
const NEW: usize = 24;
const CLASSES: usize = 3;
const SIDECAR: &str = "size = 8\nfilter = 'bilinear'\nantialias = true\ncrop = 'none'\n\
                       mean = [0.5, 0.5, 0.5]\nstd = [0.25, 0.2, 0.3]\n";

/// The script's numbers from [-1, 1).
fn uniform(seed: u64, n: usize) -> Vec<f64> {
    (1..=n as u64)
        .map(|i| {
            let mut x = (i + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((x ^ (x >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

/// Tensors with their names and shapes.
type Tensors = Vec<(String, Vec<usize>, Vec<f64>)>;

/// The script's network, and its heads.
fn network() -> Tensors {
    let architecture: Architecture = "resnet8".parse().unwrap();
    let parameters = architecture.parameters().into_iter().zip(1..);
    parameters
        .map(|(info, seed)| {
            let n: usize = info.shape.iter().product();
            let mut values = uniform(seed, n);
            for v in &mut values {
                *v = match info.role {
                    Role::Convolution => *v * (6.0 / (n / info.shape[1]) as f64).sqrt(),
                    Role::RunningMean => *v * 0.1,
                    Role::Scale | Role::RunningVariance => 1.0 + *v / 4.0,
                    Role::Shift => *v * 0.3,
                };
            }
            (info.name, info.shape, values)
        })
        .collect()
}

fn head(name: &str, seed: u64, n_out: usize) -> Tensors {
    vec![
        (
            format!("{name}.weight"),
            vec![n_out, 64],
            uniform(seed, n_out * 64),
        ),
        (
            format!("{name}.bias"),
            vec![n_out],
            uniform(seed + 1, n_out),
        ),
    ]
}

/// A file of these tensors, beside its sidecar.
fn classifier_file(folder: &Path, tensors: &Tensors) -> PathBuf {
    let bytes = tensors.iter().map(|(name, shape, values)| {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|v| (*v as f32).to_le_bytes())
            .collect();
        (name.clone(), shape.clone(), bytes)
    });
    let bytes: Vec<_> = bytes.collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let views: HashMap<&str, TensorView<'_>> = views.collect();
    let path = folder.join("net.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    std::fs::write(folder.join("net.toml"), SIDECAR).unwrap();
    path
}

/// The script's images, each class in a sub-folder if `labelled`.
fn write_images(folder: &Path, seed: u64, n: usize, shift: f64, labelled: bool) {
    let noise = uniform(seed, n * SIDE * SIDE * 3);
    for (i, noise) in noise.chunks_exact(SIDE * SIDE * 3).enumerate() {
        let brightness = (i % CLASSES) as f64 * 60.0 + shift;
        let bytes = noise
            .iter()
            .map(|v| (65.0 + brightness + 60.0 * v).floor().clamp(0.0, 255.0) as u8);
        let side = SIDE as u32;
        let picture = image::RgbImage::from_raw(side, side, bytes.collect()).unwrap();
        let class = format!("class_{}", i % CLASSES);
        let to = if labelled {
            folder.join(class)
        } else {
            folder.to_owned()
        };
        std::fs::create_dir_all(&to).unwrap();
        picture.save(to.join(format!("{i:03}.png"))).unwrap();
    }
}

/// A folder with the classifier, images to fit to and new ones.
struct Made {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Made {
    fn new() -> Self {
        let heads = [head("fc", 2000, CLASSES), head("head.rotation.0", 3000, 4)];
        Self::of(&[network(), heads.concat()].concat())
    }

    fn of(tensors: &Tensors) -> Self {
        let folder = crate::files::folder();
        let file = classifier_file(folder.path(), tensors);
        write_images(&folder.path().join("train"), 4000, N, 0.0, true);
        write_images(&folder.path().join("new"), 5000, NEW, 25.0, false);
        Self { folder, file }
    }

    fn images(&self, name: &str) -> ImageSource {
        ImageSource::open(&self.folder.path().join(name), &ReadOptions::default()).unwrap()
    }

    fn extractor(&self, spec: &OodSpec, layers: &[&str]) -> Result<Extractor, String> {
        let classifier = Classifier::open(&self.file, &EncoderOptions::default());
        let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
        let extractor = Extractor::new(classifier.unwrap(), spec, &layers);
        extractor.map_err(|error| error.to_string())
    }

    /// The scores of the new images after a fit to the others.
    fn scores(&self, spec: &OodSpec, layers: &[&str]) -> (OodFitted, Vec<f64>) {
        let extractor = self.extractor(spec, layers).unwrap();
        let fitted = fit(spec, &mut self.images("train"), &extractor, 0, &mut ()).unwrap();
        let scores = score(&fitted, &extractor, &mut self.images("new"), 7);
        (fitted, scores)
    }
}

fn score(
    fitted: &OodFitted,
    extractor: &Extractor,
    images: &mut ImageSource,
    at_once: usize,
) -> Vec<f64> {
    let path: Arc<Path> = Arc::from(Path::new("new"));
    let mut scores = Vec::new();
    while let Some(items) = images.next_batch(at_once).unwrap() {
        let batch = extractor.batch(items, fitted.perturbation(), &path, scores.len());
        scores.extend(fitted.score(&batch.unwrap().activations()).unwrap());
    }
    scores
}

fn spec(detector: &str, keys: &Value) -> OodSpec {
    let keys = keys.as_object().unwrap().clone();
    OodSpec::new(detector).unwrap().with(keys).unwrap()
}

/// The largest difference, in units of the golden scores' spread.
fn distance(ours: impl IntoIterator<Item = f64>, theirs: &[f64]) -> f64 {
    let largest = theirs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spread = largest - theirs.iter().copied().fold(f64::INFINITY, f64::min);
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs.fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs() / spread))
}

fn golden() -> BTreeMap<String, Vec<f64>> {
    serde_json::from_str(include_str!("golden/ood.json")).unwrap()
}

#[test]
fn scores_of_images_are_those_of_pytorch_ood() {
    let (golden, made) = (golden(), Made::new());
    let times = 0.5 / N as f64;
    let mut compared = 0;
    // What their score is of ours: a factor and a shift.
    for (name, detector, keys, layers, times, plus, tolerance) in [
        ("msp", "msp", json!({}), &[][..], 1.0, -1.0, 1e-5),
        ("odin", "odin", json!({}), &[], 1.0, -1.0, 1e-4),
        (
            "odin_warm",
            "odin",
            json!({"eps": 0.02, "temperature": 3.0}),
            &[],
            1.0,
            -1.0,
            1e-4,
        ),
        (
            "mahalanobis_1",
            "mahalanobis",
            json!({}),
            &["stage_1"],
            times,
            0.0,
            1e-4,
        ),
        (
            "mahalanobis_2",
            "mahalanobis",
            json!({}),
            &["stage_2"],
            times,
            0.0,
            1e-4,
        ),
        (
            "mahalanobis_3",
            "mahalanobis",
            json!({}),
            &[],
            times,
            0.0,
            1e-4,
        ),
        (
            "mahalanobis_1_moved",
            "mahalanobis",
            json!({"eps": 0.01}),
            &["stage_1"],
            times,
            0.0,
            1e-4,
        ),
        (
            "mahalanobis_2_moved",
            "mahalanobis",
            json!({"eps": 0.01}),
            &["stage_2"],
            times,
            0.0,
            1e-4,
        ),
        (
            "mahalanobis_3_moved",
            "mahalanobis",
            json!({"eps": 0.01}),
            &["features"],
            times,
            0.0,
            1e-4,
        ),
        ("gram", "gram", json!({}), &[], 1.0, 0.0, 1e-4),
        (
            "gram_last",
            "gram",
            json!({"orders": 3}),
            &["features"],
            1.0,
            0.0,
            1e-4,
        ),
        ("rotation", "rotation", json!({}), &[], 1.0, 0.0, 1e-5),
        (
            "rotation_alone",
            "rotation",
            json!({"classifier": false}),
            &[],
            1.0,
            0.0,
            1e-5,
        ),
    ] {
        let (_, scores) = made.scores(&spec(detector, &keys), layers);
        let found = distance(scores.iter().map(|s| times * s + plus), &golden[name]);
        println!("{name}: {found:.1e}");
        assert!(found < tolerance, "{name}: {found:e}");
        compared += 1;
    }
    assert_eq!(compared, golden.len());
}

#[test]
fn each_layer_is_perturbed_by_itself_and_scores_are_summed() {
    let (golden, made) = (golden(), Made::new());
    let times = 0.5 / N as f64;
    let both = spec("mahalanobis", &json!({"eps": 0.01}));
    let (_, scores) = made.scores(&both, &["stage_1", "stage_2"]);
    let sums = golden["mahalanobis_1_moved"]
        .iter()
        .zip(&golden["mahalanobis_2_moved"]);
    let sums: Vec<f64> = sums.map(|(a, b)| a + b).collect();
    let found = distance(scores.iter().map(|s| times * s), &sums);
    assert!(found < 1e-4, "{found:e}");
}

#[test]
fn a_panel_shows_each_detector_what_its_own_extractor_would() {
    let made = Made::new();
    let wanted = [
        ("msp", json!({}), &[][..]),
        ("gram", json!({}), &[]),
        ("gram", json!({"orders": 3}), &["features"]),
        ("mahalanobis", json!({}), &["stage_1", "features"]),
        ("vim", json!({}), &[]),
        ("residual_flow", json!({}), &[]),
        ("knn", json!({}), &["stage_3"]),
    ];
    let wanted = wanted.map(|(detector, keys, layers)| (spec(detector, &keys), layers));
    let owned = wanted.iter().map(|(spec, layers)| {
        let layers = layers.iter().map(|&layer| layer.to_owned());
        (spec.clone(), layers.collect::<Vec<_>>())
    });
    let open = || Classifier::open(&made.file, &EncoderOptions::default()).unwrap();
    let panel = Panel::new(open(), &owned.collect::<Vec<_>>()).unwrap();
    // Each layer once: the means of three stages, their Gram matrices, those of a lower order, logits.
    let means = 16 + 32 + 64;
    assert_eq!(panel.values(), means + 10 * means + 3 * 64 + CLASSES);
    let items = made.images("new").next_batch(NEW).unwrap().unwrap();
    let arrays = panel.arrays(items.clone()).unwrap();
    for (member, (spec, layers)) in wanted.iter().enumerate() {
        let extractor = made.extractor(spec, layers).unwrap();
        let path: Arc<Path> = Arc::from(Path::new("new"));
        let alone = extractor.batch(items.clone(), None, &path, 0).unwrap();
        let (ours, theirs) = (
            panel.activations(member, &arrays).unwrap(),
            alone.activations(),
        );
        let values = |of: &qualm::ood::Activations<'_>| {
            let features = of.features().iter().map(|rows| rows.as_slice().to_vec());
            let logits = of.logits("test").ok().map(|rows| rows.as_slice().to_vec());
            (features.collect::<Vec<_>>(), logits)
        };
        assert_eq!(values(&ours), values(&theirs), "{}", spec.detector());
    }
    for detector in ["odin", "rotation"] {
        let alone = [(spec(detector, &json!({})), Vec::new())];
        let error = Panel::new(open(), &alone).unwrap_err().to_string();
        assert!(
            error.contains(detector) && error.contains("shares no pass"),
            "{error}"
        );
    }
}

#[test]
fn every_detector_takes_images_and_comes_back_from_its_file() {
    let made = Made::new();
    let few = json!({"hidden": 8, "min_steps": 40, "max_steps": 40, "epochs": 1});
    for detector in OodSpec::DETECTORS {
        let keys = match *detector {
            "dum" | "dum_circ" => few.clone(),
            "residual_flow" => json!({"epochs": 1, "couplings": 2}),
            "knn" => json!({"k": 5}),
            _ => json!({}),
        };
        let spec = spec(detector, &keys);
        let (fitted, scores) = made.scores(&spec, &[]);
        assert_eq!(fitted.provenance().n_rows, N, "{detector}");
        let again = OodFitted::from_bytes(&fitted.to_bytes().unwrap()).unwrap();
        let identity = again.provenance().encoder.clone().unwrap();
        assert_eq!(
            (identity.name.as_str(), identity.width),
            ("net.safetensors", 64)
        );
        let extractor = made.extractor(&spec, &[]).unwrap();
        assert_eq!(&extractor.inputs(), again.inputs(), "{detector}");
        // However many images come at a time.
        let alone = score(&again, &extractor, &mut made.images("new"), 1);
        assert_eq!(alone, scores, "{detector}");
    }
}

#[test]
fn a_perturbed_fit_is_calibrated_on_perturbed_images() {
    let made = Made::new();
    for (detector, keys) in [
        ("odin", json!({"eps": 0.02, "temperature": 2.0})),
        ("mahalanobis", json!({"eps": 0.02})),
    ] {
        let spec = spec(detector, &keys);
        let (fitted, _) = made.scores(&spec, &[]);
        let extractor = made.extractor(&spec, &[]).unwrap();
        let again = score(&fitted, &extractor, &mut made.images("train"), 16);
        assert_eq!(fitted.fitted_scores().unwrap(), again, "{detector}");
        let mut apart = fitted;
        calibrate(&mut apart, &mut made.images("new"), &extractor, &mut ()).unwrap();
        assert_eq!(apart.calibration().n(), NEW);
    }
}

#[test]
fn what_a_classifier_lacks_is_named() {
    let bare = Made::of(&network());
    for (detector, keys, layers, words) in [
        (
            "msp",
            json!({}),
            &[][..],
            "has no classifier (fc.weight), and detector 'msp' needs logits",
        ),
        ("gram", json!({}), &[], "has no classifier"),
        ("rotation", json!({}), &[], "no rotation head"),
        (
            "knn",
            json!({}),
            &["stage_4"],
            "no layer 'stage_4'; expected one of: stage_1, stage_2, stage_3, features",
        ),
        ("knn", json!({}), &["stage_1", "stage_2"], "2"),
        (
            "energy",
            json!({}),
            &["stage_1"],
            "sees no features of layers",
        ),
    ] {
        let error = bare.extractor(&spec(detector, &keys), layers).unwrap_err();
        assert!(error.contains(words), "{detector}: {error}");
    }
    // Features need no classifier.
    bare.extractor(&spec("mahalanobis", &json!({})), &[])
        .unwrap();

    let sidecar = |changed: &str| {
        let text = format!("{SIDECAR}{changed}");
        std::fs::write(bare.folder.path().join("net.toml"), text).unwrap();
        Classifier::open(&bare.file, &EncoderOptions::default())
            .unwrap_err()
            .to_string()
    };
    let error = sidecar("l2 = true\n");
    assert!(
        error.contains("l2 = true") || error.contains("l2"),
        "{error}"
    );
    let onnx = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/onnx/f32_nchw_free.onnx");
    let error = Classifier::open(&onnx, &EncoderOptions::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("an ONNX file, whose layers are not seen"),
        "{error}"
    );
}

#[test]
fn classes_that_are_missing_or_of_another_number_are_named() {
    let made = Made::new();
    let refused = |folder: &str| {
        let spec = spec("mahalanobis", &json!({}));
        let extractor = made.extractor(&spec, &[]).unwrap();
        let mut images = made.images(folder);
        fit(&spec, &mut images, &extractor, 0, &mut ())
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused("new").contains("000.png has no class"),
        "{}",
        refused("new")
    );
    let train = made.folder.path().join("train");
    let first = train.join("class_2/002.png");
    let two = made.folder.path().join("two/class_0");
    std::fs::create_dir_all(&two).unwrap();
    std::fs::copy(&first, two.join("a.png")).unwrap();
    let text = refused("two");
    assert!(
        text.contains("of 1 classes") && text.contains("tells 3 apart"),
        "{text}"
    );
    // One image of a class.
    for entry in std::fs::read_dir(train.join("class_2")).unwrap() {
        let path = entry.unwrap().path();
        if path != first {
            std::fs::remove_file(path).unwrap();
        }
    }
    let text = refused("train");
    assert!(
        text.contains("class 'class_2': 1 of its images are given"),
        "{text}"
    );
}

#[test]
fn a_fit_to_images_reports_and_stops() {
    struct Once(Vec<(&'static str, u64, u64)>);
    impl qualm::Progress for Once {
        fn work(&mut self, work: &Work) -> Signal {
            self.0.push((work.what, work.done, work.total));
            if self.0.len() > 1 {
                Signal::Stop
            } else {
                Signal::Continue
            }
        }
    }
    let made = Made::new();
    let spec = spec("knn", &json!({}));
    let extractor = made.extractor(&spec, &[]).unwrap();
    let mut listener = Once(Vec::new());
    let stopped = fit(
        &spec,
        &mut made.images("train"),
        &extractor,
        0,
        &mut listener,
    );
    assert!(
        stopped
            .unwrap_err()
            .to_string()
            .contains("interrupted while working on images: 90 of 90")
    );
    assert_eq!(listener.0, [("images", 0, 90), ("images", 90, 90)]);
}
