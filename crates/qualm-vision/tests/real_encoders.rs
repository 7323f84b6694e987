//! Encoders that others trained, on real images. Skipped where the files are not given: `QUALM_DATA`
//! and `QUALM_MODELS` are folders, `QUALM_SSCD` the ONNX file of SSCD's distilled encoder (see
//! golden/sscd.py).

use std::path::{Path, PathBuf};

use qualm::nn::resnet::ImageSize;
use qualm_vision::encoder::{self, Encoder, EncoderOptions, FileEncoder};
use qualm_vision::read::{ImageSource, Item, ReadOptions};

fn given(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    path
}

fn open(file: &Path, preprocessing: &str) -> Result<FileEncoder, String> {
    let options = EncoderOptions {
        preprocessing: Some(preprocessing.to_owned()),
        ..EncoderOptions::default()
    };
    encoder::open(file, &options).map_err(|e| e.to_string())
}

/// The first images of a set, with their labels.
fn images(data: &Path, set: &str, n: usize) -> Vec<Item> {
    let path = data.join("images").join(set);
    let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
    let mut items = Vec::new();
    while items.len() < n {
        items.extend(source.next_batch(n - items.len()).unwrap().unwrap());
    }
    items
}

/// The accuracies of shared/models/README.md, to one image.
#[test]
fn residual_networks_of_others_are_as_accurate_as_there() {
    let (Some(models), Some(data)) = (given("QUALM_MODELS"), given("QUALM_DATA")) else {
        return;
    };
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225_f32]);
    let items = images(&data, "cifar10_test.parquet", 5000);
    let values: Vec<f32> = items
        .iter()
        .flat_map(|item| item.image.pixels().as_chunks::<3>().0)
        .flat_map(|rgb| [0, 1, 2].map(|c| (f32::from(rgb[c]) / 255.0 - mean[c]) / std[c]))
        .collect();
    for (depth, least) in [(20, 0.9170), (32, 0.9240), (56, 0.9358)] {
        let file = models.join(format!("cifar10_resnet{depth}.safetensors"));
        let encoder = open(&file, "akamaster").unwrap();
        assert_eq!(encoder.describe().architecture, format!("resnet{depth}"));
        let network = encoder.resnet().unwrap();
        let mut logits = vec![0.0; items.len() * network.n_classes().unwrap()];
        let size = ImageSize { rows: 32, cols: 32 };
        network.logits_into(&values, size, &mut logits).unwrap();
        let right = logits
            .chunks_exact(10)
            .zip(&items)
            .filter(|(logits, item)| {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                item.label.as_deref() == Some(best.unwrap().0.to_string().as_str())
            });
        let accuracy = right.count() as f64 / items.len() as f64;
        eprintln!("resnet{depth}: {accuracy}");
        assert!(accuracy >= least - 2e-4, "resnet{depth}: {accuracy}");
    }
}

/// SSCD, or nothing where it or onnxruntime is not there.
fn sscd(keys: &str) -> Option<(FileEncoder, PathBuf)> {
    let (file, data) = (given("QUALM_SSCD")?, given("QUALM_DATA")?);
    let folder = tempfile::tempdir().unwrap();
    let sidecar = folder.path().join("sscd.toml");
    std::fs::write(&sidecar, keys).unwrap();
    match open(&file, sidecar.to_str().unwrap()) {
        Ok(encoder) => Some((encoder, data)),
        Err(error) if error.contains("was not found") => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn embedded(encoder: &FileEncoder, items: &[Item]) -> Vec<f32> {
    let images: Vec<_> = items.iter().map(|item| item.image.clone()).collect();
    let mut rows = vec![0.0; items.len() * encoder.identity().width];
    encoder.embed_into(&images, &mut rows).unwrap();
    rows
}

#[test]
fn sscd_gives_the_vectors_of_python() {
    let Some((encoder, data)) = sscd("size = 160\nfilter = 'nearest'\ncrop = 'none'") else {
        return;
    };
    let json = include_str!("golden/sscd.json");
    let expected: Vec<Vec<f64>> = serde_json::from_str(json).unwrap();
    let rows = embedded(&encoder, &images(&data, "cifar10_test.parquet", 100));
    assert_eq!((encoder.identity().width, expected.len()), (512, 100));
    let mut worst: f64 = 0.0;
    for (row, expected) in rows.chunks_exact(512).zip(&expected) {
        for (found, expected) in row.iter().zip(expected) {
            worst = worst.max((f64::from(*found) - expected).abs());
        }
        let norm: f32 = row.iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-4);
    }
    eprintln!("largest difference: {worst:e}");
    assert!(worst < 1e-4, "{worst:e}");
    assert!(encoder::check(&encoder).unwrap().same_bits);
}

/// The class of an item, as the name of its label says.
fn class(item: &Item) -> usize {
    item.label.as_ref().unwrap().parse().unwrap()
}

/// The share of `asked` whose class wins the vote of their `k` nearest among `known`, each weighted
/// by `weight` of the cosine similarity.
fn accuracy_of_neighbours(
    encoder: &FileEncoder,
    [known, asked]: [&[Item]; 2],
    k: usize,
    weight: impl Fn(f32) -> f32,
) -> f64 {
    let width = encoder.identity().width;
    let rows = |items| {
        let mut rows = embedded(encoder, items);
        for row in rows.chunks_exact_mut(width) {
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            for value in row {
                *value /= norm;
            }
        }
        rows
    };
    let (rows, queries) = (rows(known), rows(asked));
    let right = queries
        .chunks_exact(width)
        .zip(asked)
        .filter(|(query, item)| {
            let mut near: Vec<(f32, usize)> = rows
                .chunks_exact(width)
                .zip(known)
                .map(|(row, item)| {
                    (
                        row.iter().zip(*query).map(|(a, b)| a * b).sum(),
                        class(item),
                    )
                })
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut votes = [0.0; 10];
            for (similarity, class) in &near[..k] {
                votes[*class] += weight(*similarity);
            }
            let best = votes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.unwrap().0 == class(item)
        });
    right.count() as f64 / asked.len() as f64
}

/// A vote of the 20 nearest of 1,500 images, for 500 others: 70.0 % in Python, on the same images.
#[test]
fn sscd_tells_classes_apart() {
    let Some((encoder, data)) = sscd("preprocessing = 'sscd'\nsize = 160") else {
        return;
    };
    let known = images(&data, "cifar10_train.parquet", 1500);
    let asked = images(&data, "cifar10_test.parquet", 500);
    let accuracy = accuracy_of_neighbours(&encoder, [&known, &asked], 20, |similarity| similarity);
    eprintln!("kNN(20): {accuracy}");
    assert!((accuracy - 0.7).abs() < 0.01, "{accuracy}");
}

/// The project's own contrastive encoder among some of the images it was trained on: 60.9 % when it was
/// trained.
#[test]
fn the_encoder_trained_here_tells_classes_apart() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cifar10_simclr_resnet20.safetensors");
    let encoder = encoder::open(&path, &EncoderOptions::default()).unwrap();
    assert_eq!(encoder.describe().architecture, "resnet20");
    assert_eq!(encoder.identity().width, 64);
    let Some(data) = given("QUALM_DATA") else {
        return;
    };
    let known = images(&data, "cifar10_train.parquet", 4000);
    let asked = images(&data, "cifar10_test.parquet", 1000);
    let accuracy = accuracy_of_neighbours(&encoder, [&known, &asked], 200, |similarity| {
        (similarity / 0.1).exp()
    });
    eprintln!("kNN(200): {accuracy}");
    assert!((accuracy - 0.609).abs() < 0.01, "{accuracy}");
}
