//! Training: the same bits at any number of threads, interrupted or not; what is learned; what is
//! refused.

use qualm::fit::{Signal, Step};
use qualm::rng::{Purpose, stream};
use qualm::{Checkpoint, Progress};
use qualm_vision::encoder::{self, Encoder, EncoderOptions};
use qualm_vision::read::Item;
use qualm_vision::train::{COLLAPSED, LabelUse, Method, TrainImages, TrainSpec, Training};
use qualm_vision::{Error, Image};
use rand::{Rng, RngExt};
use serde_json::{Map, Value};

/// Side of the pictures.
const SIDE: usize = 16;

/// One of four shapes, of any place and colours: neither tells the class.
fn picture(class: usize, rng: &mut impl Rng) -> Image {
    let (x, y) = (
        rng.random_range(5.0..11.0f32),
        rng.random_range(5.0..11.0f32),
    );
    let size = rng.random_range(3.0..5.0f32);
    let mut colour = || [0; 3].map(|_: u8| rng.random_range(0..120u8));
    let (back, fore) = (colour(), colour().map(|v| v + 130));
    let pixels = (0..SIDE * SIDE).flat_map(|place| {
        let dx = (place % SIDE) as f32 - x;
        let dy = (place / SIDE) as f32 - y;
        let inside = match class {
            0 => dx.hypot(dy) < size,
            1 => {
                dx.abs() < size
                    && dy.abs() < size
                    && (dx.abs() > size - 1.5 || dy.abs() > size - 1.5)
            }
            2 => dx.abs().min(dy.abs()) < 1.0 && dx.abs().max(dy.abs()) < size,
            _ => dx.abs() < size && dy.abs() < size && (place % SIDE).is_multiple_of(2),
        };
        if inside { fore } else { back }
    });
    Image::new(SIDE as u32, SIDE as u32, pixels.collect()).unwrap()
}

/// One of four textures, in any two colours: a crop of it is as good as the whole.
fn texture(class: usize, rng: &mut impl Rng) -> Image {
    let colours = [[0; 3]; 2].map(|colour: [u8; 3]| colour.map(|_| rng.random()));
    let phase = rng.random_range(0..4);
    let pixels = (0..SIDE * SIDE).flat_map(|place| {
        let (x, y) = (place % SIDE + phase, place / SIDE + phase);
        let on = match class {
            0 => x % 4 < 2,
            1 => y % 4 < 2,
            2 => (x % 4 < 2) != (y % 4 < 2),
            _ => x % 8 < 4,
        };
        colours[usize::from(on)].map(|v: u8| v.saturating_add(rng.random_range(0..40)))
    });
    Image::new(SIDE as u32, SIDE as u32, pixels.collect()).unwrap()
}

fn textures(n: usize, seed: u64, labels: LabelUse<'_>) -> TrainImages {
    let mut items = items(n, seed);
    let mut rng = stream(seed, Purpose::CONTRACT, [1, 0]);
    for (i, item) in items.iter_mut().enumerate() {
        item.image = texture(i % 4, &mut rng);
    }
    TrainImages::new(items, labels).unwrap()
}

fn items(n: usize, seed: u64) -> Vec<Item> {
    let mut rng = stream(seed, Purpose::CONTRACT, [0, 0]);
    let items = (0..n).map(|i| Item {
        id: format!("{seed}-{i}.png"),
        label: Some(["disc", "frame", "cross", "stripes"][i % 4].to_owned()),
        image: picture(i % 4, &mut rng),
    });
    items.collect()
}

fn images(n: usize, seed: u64, labels: LabelUse<'_>) -> TrainImages {
    TrainImages::new(items(n, seed), labels).unwrap()
}

fn keys(pairs: &[(&str, Value)]) -> Map<String, Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

/// A small training of a method.
fn spec(method: &str, n: usize, more: &[(&str, Value)]) -> TrainSpec {
    let mut pairs = vec![
        ("network", "resnet8".into()),
        ("epochs", 2.into()),
        ("batch_size", 16.into()),
    ];
    if ["simclr", "moco", "byol"].contains(&method) {
        pairs.push(("projection_hidden", 32.into()));
        pairs.push(("projection_width", 16.into()));
    }
    pairs.extend(more.iter().cloned());
    TrainSpec::new(method, SIDE as u32, n, &keys(&pairs))
        .unwrap()
        .0
}

/// Stops after some steps and keeps the checkpoint.
struct StopAfter {
    step: u64,
    kept: Option<Checkpoint>,
}

impl Progress for StopAfter {
    fn step(&mut self, step: &Step) -> Signal {
        if step.step == self.step {
            Signal::Stop
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> qualm::Result<()> {
        self.kept = Some(checkpoint.clone());
        Ok(())
    }
}

fn trained(spec: &TrainSpec, images: &TrainImages, threads: usize) -> Vec<u8> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(|| {
        let mut training = Training::new(spec.clone(), images, None, 7).unwrap();
        training.run(None, &mut ()).unwrap();
        training.encoder().to_bytes().unwrap()
    })
}

#[test]
fn every_method_gives_the_same_bits_at_any_thread_count_and_after_an_interruption() {
    for method in Method::NAMES {
        let labels = match method {
            "supervised" | "rotation" => LabelUse::Read,
            _ => LabelUse::Ignore,
        };
        let images = images(40, 0, labels);
        let spec = spec(method, images.len(), &[]);
        let whole = trained(&spec, &images, 1);
        for threads in [2, 3] {
            assert!(
                trained(&spec, &images, threads) == whole,
                "{method} {threads}"
            );
        }
        // In the middle of an epoch, and at the end of one.
        for step in [1, 2] {
            let mut stop = StopAfter { step, kept: None };
            let mut training = Training::new(spec.clone(), &images, None, 7).unwrap();
            let stopped = training.run(None, &mut stop);
            assert!(matches!(
                stopped,
                Err(Error::Core(qualm::Error::Interrupted { .. }))
            ));
            // What it has learned by then can be kept.
            assert!(training.encoder().to_bytes().unwrap() != whole);
            // Through a file, as the command line does.
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint");
            stop.kept.unwrap().save(&path).unwrap();
            let kept = Checkpoint::load(&path).unwrap();
            let mut training = Training::new(spec.clone(), &images, None, 7).unwrap();
            training.run(Some(kept), &mut ()).unwrap();
            assert!(
                training.encoder().to_bytes().unwrap() == whole,
                "{method} {step}"
            );
        }
    }
}

#[test]
fn another_seed_other_images_or_settings_are_other_trainings() {
    let first = images(40, 0, LabelUse::Ignore);
    let spec_of = |more: &[(&str, Value)]| spec("simclr", 40, more);
    let mut stop = StopAfter {
        step: 1,
        kept: None,
    };
    let mut training = Training::new(spec_of(&[]), &first, None, 0).unwrap();
    assert!(training.run(None, &mut stop).is_err());
    let kept = stop.kept.unwrap();
    let second = images(40, 1, LabelUse::Ignore);
    let others = [
        (spec_of(&[]), &second, 0),
        (spec_of(&[]), &first, 1),
        (spec_of(&[("temperature", 0.2.into())]), &first, 0),
    ];
    for (spec, images, seed) in others {
        let mut training = Training::new(spec, images, None, seed).unwrap();
        let refused = training.run(Some(kept.clone()), &mut ());
        assert!(matches!(
            refused,
            Err(Error::Core(qualm::Error::CheckpointMismatch { .. }))
        ));
    }
}

#[test]
fn simclr_learns_to_tell_textures_apart() {
    let images = textures(256, 0, LabelUse::Read);
    let classes = images.labels().unwrap().classes.clone();
    let eval = textures(128, 1, LabelUse::Of(&classes));
    let accuracy = |epochs: u64, rate: f64| {
        let more = [
            ("epochs", epochs.into()),
            ("batch_size", 64.into()),
            ("knn_neighbours", 20.into()),
            ("learning_rate", rate.into()),
            // Colours tell the views of an image otherwise, and no texture has to be learned.
            ("views.hue", 0.5.into()),
            ("views.grey", 0.5.into()),
            ("projection_hidden", 512.into()),
            ("projection_width", 128.into()),
        ];
        let spec = spec("simclr", images.len(), &more);
        let mut epochs = Vec::new();
        let mut training = Training::new(spec, &images, Some(&eval), 0).unwrap();
        training = training.on_epoch(|epoch| epochs.push(*epoch));
        training.run(None, &mut ()).unwrap();
        assert_eq!(training.curve(), training.encoder().description.curve);
        drop(training);
        *epochs.last().unwrap()
    };
    // A step so small that it moves nothing, for the statistics of batch norm.
    let untrained = accuracy(1, 1e-30);
    let trained = accuracy(20, 0.1);
    let (before, after) = (
        untrained.knn_accuracy.unwrap(),
        trained.knn_accuracy.unwrap(),
    );
    assert!(after > before + 0.15, "{before} untrained, {after} trained");
    assert!(trained.loss < untrained.loss && trained.output_std > COLLAPSED);
}

#[test]
fn labels_and_rotations_are_learned_and_their_heads_are_kept() {
    let images = images(128, 0, LabelUse::Read);
    let classes = images.labels().unwrap().classes.clone();
    let eval = TrainImages::new(items(64, 1), LabelUse::Of(&classes)).unwrap();
    for method in ["supervised", "rotation"] {
        let spec = spec(method, images.len(), &[("epochs", 12.into())]);
        let mut training = Training::new(spec, &images, Some(&eval), 0).unwrap();
        training.run(None, &mut ()).unwrap();
        let last = training.curve().last().unwrap();
        assert!(last.accuracy.unwrap() > 0.6, "{method}: {last:?}");
        let encoder = training.encoder();
        assert_eq!(
            encoder.description.classes,
            ["cross", "disc", "frame", "stripes"]
        );
        assert_eq!(encoder.tensors["fc.weight"].shape, [4, 64]);
        let rotations = encoder.tensors.get("head.rotation.0.weight");
        assert_eq!(rotations.is_some(), method == "rotation");
    }
    // Without labels the rotations alone.
    let images = self::images(32, 0, LabelUse::Ignore);
    let mut training = Training::new(spec("rotation", 32, &[]), &images, None, 0).unwrap();
    training.run(None, &mut ()).unwrap();
    let encoder = training.encoder();
    assert!(!encoder.tensors.contains_key("fc.weight") && encoder.description.classes.is_empty());
}

#[test]
fn the_exported_network_gives_the_same_as_the_file() {
    if crate::encoders::skipped("an exported network") {
        return;
    }
    let images = images(8, 0, LabelUse::Read);
    // Both shortcuts, the bottleneck, both stems; the small ones with statistics of their own.
    for (network, steps) in [
        ("resnet8", 2),
        ("resnet8-b", 2),
        ("resnet18-cifar", 0),
        ("resnet50", 0),
    ] {
        let more = [("network", network.into()), ("batch_size", 4.into())];
        let spec = spec("supervised", 8, &more);
        let mut training = Training::new(spec, &images, None, 0).unwrap();
        if steps > 0 {
            let mut stop = StopAfter {
                step: steps,
                kept: None,
            };
            assert!(training.run(None, &mut stop).is_err());
        }
        let encoder = training.encoder();
        let folder = tempfile::tempdir().unwrap();
        let embedded = |name: &str, bytes: Vec<u8>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let opened = encoder::open(&path, &EncoderOptions::default()).unwrap();
            let width = opened.identity().width;
            let mut rows = vec![0.0; images.len() * width];
            opened.embed_into(images.images(), &mut rows).unwrap();
            (width, rows)
        };
        let (width, ours) = embedded("e.safetensors", encoder.to_bytes().unwrap());
        let (also, exported) = embedded("e.onnx", encoder.to_onnx().unwrap());
        assert_eq!(width, also);
        let largest = ours.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(largest > 0.0);
        for (a, b) in ours.iter().zip(&exported) {
            assert!(
                (a - b).abs() < 1e-4 * largest.max(1.0),
                "{network}: {a} {b}"
            );
        }
    }
}

#[test]
fn what_cannot_be_trained_is_refused_and_named() {
    let said = |spec: TrainSpec, images: &TrainImages| {
        let refused = Training::new(spec, images, None, 0);
        refused.unwrap_err().to_string()
    };
    let plain = images(40, 0, LabelUse::Ignore);
    assert!(said(spec("supervised", 40, &[]), &plain).contains("learns labels"));
    let mut same = items(8, 0);
    for item in &mut same {
        item.label = Some("cat".to_owned());
    }
    let same = TrainImages::new(same, LabelUse::Read).unwrap();
    for method in ["supervised", "rotation"] {
        let refused = said(spec(method, 8, &[]), &same);
        assert!(refused.contains("all images have the label 'cat'"));
    }
    let network = keys(&[("network", "resnet19".into())]);
    let refused = TrainSpec::new("simclr", SIDE as u32, 40, &network).unwrap_err();
    assert!(refused.to_string().contains("resnet19"));
    // Fewer images than the settings were made for.
    let few = images(4, 0, LabelUse::Ignore);
    assert!(said(spec("simclr", 40, &[]), &few).contains("batch_size = 16"));
    // Nothing to measure by.
    let spec = spec("simclr", 40, &[]);
    let labelled = self::images(8, 1, LabelUse::Read);
    for (images, eval) in [(&plain, &labelled), (&labelled, &plain)] {
        let refused = Training::new(spec.clone(), images, Some(eval), 0).unwrap_err();
        assert!(matches!(refused, Error::MeasureLabels));
    }
    // One image makes no batch.
    let one = TrainSpec::new("simclr", 16, 1, &Map::new()).unwrap_err();
    assert!(one.to_string().contains("at least 2 images"), "{one}");
}

#[test]
fn images_of_any_size_and_equal_images_are_trained_on() {
    let mut items = items(12, 0);
    let mut rng = stream(3, Purpose::CONTRACT, [0, 0]);
    for (i, item) in items.iter_mut().enumerate() {
        let (width, height) = (1 + 5 * i as u32, 60 - 5 * i as u32);
        let pixels = (0..width * height * 3).map(|_| rng.random());
        item.image = Image::new(width, height, pixels.collect()).unwrap();
    }
    let images = TrainImages::new(items.clone(), LabelUse::Read).unwrap();
    let spec = spec("moco", 12, &[("batch_size", 6.into())]);
    let mut training = Training::new(spec.clone(), &images, Some(&images), 0).unwrap();
    training.run(None, &mut ()).unwrap();
    // And all the same: nothing to learn, and nothing breaks.
    let image = items[3].image.clone();
    for item in &mut items {
        item.image = image.clone();
    }
    let images = TrainImages::new(items, LabelUse::Read).unwrap();
    let mut training = Training::new(spec, &images, Some(&images), 0).unwrap();
    training.run(None, &mut ()).unwrap();
    assert!(training.curve().iter().all(|epoch| epoch.loss.is_finite()));
}
