use rand::RngExt;

use super::norm::{GradientSums, Mask, Moments};
use super::*;
use crate::rng::{Purpose, stream};

fn numbers(n: usize, index: u64) -> Vec<f32> {
    let mut rng = stream(5, Purpose::INIT, [index, 0]);
    (0..n).map(|_| rng.random_range(-1.5..1.5)).collect()
}

fn size(rows: usize, cols: usize) -> ImageSize {
    ImageSize { rows, cols }
}

fn on_threads<R: Send>(n: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
    pool.unwrap().install(work)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn training_gives_the_same_bits_at_any_number_of_threads() {
    // Direct sums, transforms summed by chunk and tiles kept; the last two with an odd chunk.
    for (name, n, px) in [
        ("resnet20", 37, 10),
        ("resnet18-cifar", 18, 9),
        ("resnet50", 3, 40),
    ] {
        let architecture: Architecture = name.parse().unwrap();
        let images = numbers(n * px * px * 3, 0);
        let run = || {
            let mut network = TrainableResNet::new(architecture, 3);
            let mut activations = Activations::default();
            let mut gradient = vec![0.0; network.parameters().len()];
            for _ in 0..2 {
                network
                    .forward(&images, size(px, px), &mut activations)
                    .unwrap();
                let by_features = activations.features().to_vec();
                network
                    .backward(&images, &by_features, &mut activations, &mut gradient)
                    .unwrap();
                for (p, g) in network.parameters_mut().iter_mut().zip(&gradient) {
                    *p -= 1e-3 * g;
                }
            }
            (bits(network.parameters()), bits(network.running()))
        };
        let one = on_threads(1, run);
        for threads in [2, 3] {
            assert_eq!(on_threads(threads, run), one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn an_image_has_the_same_features_in_any_company_and_at_any_number_of_threads() {
    for (name, px) in [("resnet20", 32), ("resnet18", 33), ("resnet18-cifar", 7)] {
        let network = ResNet::new(name.parse().unwrap(), 1);
        let (image, n) = (px * px * 3, 11);
        let images = numbers(n * image, 1);
        let features = |images: &[f32], threads| {
            let mut out = vec![f32::NAN; images.len() / image * network.width()];
            let work = || network.features_into(images, size(px, px), &mut out);
            on_threads(threads, work).unwrap();
            bits(&out)
        };
        let together = features(&images, 1);
        assert_eq!(features(&images, 2), together, "{name}");
        assert_eq!(features(&images, 3), together, "{name}");
        for (i, alone) in together.chunks(network.width()).enumerate() {
            let image = &images[i * image..(i + 1) * image];
            assert_eq!(features(image, 1), alone, "{name}, image {i}");
        }
    }
}

#[test]
fn one_set_of_buffers_serves_batches_of_any_size() {
    let architecture: Architecture = "resnet8-b".parse().unwrap();
    let mut shared = Activations::default();
    for (n, rows, cols) in [(20, 9, 8), (3, 32, 32), (20, 9, 8), (2, 5, 4)] {
        let images = numbers(n * rows * cols * 3, 2);
        let mut run = |activations: &mut Activations| {
            let mut network = TrainableResNet::new(architecture, 0);
            network
                .forward(&images, size(rows, cols), activations)
                .unwrap();
            let by_features = numbers(n * network.architecture().width(), 3);
            let mut gradient = vec![f32::NAN; network.parameters().len()];
            network
                .backward(&images, &by_features, activations, &mut gradient)
                .unwrap();
            bits(&gradient)
        };
        assert_eq!(run(&mut shared), run(&mut Activations::default()));
    }
}

#[test]
fn gradients_descend() {
    let architecture: Architecture = "resnet8".parse().unwrap();
    let mut network = TrainableResNet::new(architecture, 7);
    let images = numbers(8 * 12 * 12 * 3, 4);
    let target = numbers(8 * 64, 5);
    let mut activations = Activations::default();
    let mut gradient = vec![0.0; network.parameters().len()];
    let mut losses = Vec::new();
    for _ in 0..30 {
        network
            .forward(&images, size(12, 12), &mut activations)
            .unwrap();
        let pairs = activations.features().iter().zip(&target);
        let by_features: Vec<f32> = pairs.map(|(f, t)| f - t.abs()).collect();
        losses.push(by_features.iter().map(|d| d * d).sum::<f32>());
        network
            .backward(&images, &by_features, &mut activations, &mut gradient)
            .unwrap();
        for (p, g) in network.parameters_mut().iter_mut().zip(&gradient) {
            *p -= 1e-3 * g;
        }
    }
    assert!(losses[29] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn tensors_come_back_as_they_went() {
    for name in ["resnet8", "resnet8-b", "resnet18-cifar"] {
        let architecture: Architecture = name.parse().unwrap();
        let network = TrainableResNet::new(architecture, 2);
        let tensors = network.to_tensors();
        assert_eq!(tensors.len(), architecture.parameters().len());
        for info in architecture.parameters() {
            assert_eq!(tensors[&info.name].shape, info.shape, "{}", info.name);
        }
        let again = TrainableResNet::from_tensors(architecture, &tensors).unwrap();
        assert_eq!(again.parameters(), network.parameters());
        assert_eq!(again.running(), network.running());
        let mut next = 0;
        for segment in network.segments() {
            assert_eq!(segment.range.start, next);
            next = segment.range.end;
            let file = &tensors[&segment.tensor.name].values;
            let sum = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>();
            let ours = sum(&network.parameters()[segment.range]);
            assert!((ours - sum(file)).abs() < 1e-9 * file.len() as f64);
        }
        assert_eq!(next, network.parameters().len());
    }
}

#[test]
fn a_classifier_is_read_where_there_is_one() {
    let architecture: Architecture = "resnet8".parse().unwrap();
    let mut tensors = TrainableResNet::new(architecture, 2).to_tensors();
    let images = numbers(3 * 8 * 8 * 3, 6);
    let mut logits = vec![f32::NAN; 3 * 2];
    let plain = ResNet::from_tensors(architecture, &tensors).unwrap();
    assert_eq!(plain.n_classes(), None);
    let error = plain
        .logits_into(&images, size(8, 8), &mut logits)
        .unwrap_err();
    assert!(error.to_string().contains("fc.weight"), "{error}");

    let weight = numbers(2 * 64, 7);
    let tensor = |shape: &[usize], values: &[f32]| Tensor {
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    tensors.insert("fc.weight".into(), tensor(&[2, 64], &weight));
    tensors.insert("fc.bias".into(), tensor(&[2], &[0.5, -0.5]));
    let network = ResNet::from_tensors(architecture, &tensors).unwrap();
    assert_eq!(network.n_classes(), Some(2));
    network
        .logits_into(&images, size(8, 8), &mut logits)
        .unwrap();
    let mut features = vec![0.0; 3 * 64];
    network
        .features_into(&images, size(8, 8), &mut features)
        .unwrap();
    for (i, logit) in logits.iter().enumerate() {
        let (row, class) = (i / 2, i % 2);
        let pairs = features[row * 64..][..64].iter().zip(&weight[class * 64..]);
        let expected = pairs.map(|(f, w)| f * w).sum::<f32>() + [0.5, -0.5][class];
        assert!((logit - expected).abs() < 1e-4 * expected.abs().max(1.0));
    }

    tensors.insert("fc.bias".into(), tensor(&[3], &[0.0; 3]));
    let error = ResNet::from_tensors(architecture, &tensors)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "tensor 'fc.bias' has shape [3], expected [2]");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let architecture: Architecture = "resnet20".parse().unwrap();
    let tensors = TrainableResNet::new(architecture, 0).to_tensors();
    let refused = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        let error = ResNet::from_tensors(architecture, &tensors)
            .unwrap_err()
            .to_string();
        let other = TrainableResNet::from_tensors(architecture, &tensors).unwrap_err();
        assert_eq!(error, other.to_string());
        error
    };
    let name = "layer2.1.bn1.running_var";
    let error = refused(&|t| {
        t.remove(name);
    });
    assert_eq!(
        error,
        format!("tensor '{name}' is missing; expected one of shape [32]")
    );
    let name = "layer3.0.conv1.weight";
    let error = refused(&|t| t.get_mut(name).unwrap().shape = vec![64, 64, 3, 3]);
    assert!(
        error.contains(name) && error.contains("[64, 64, 3, 3]"),
        "{error}"
    );
    assert!(error.ends_with("expected [64, 32, 3, 3]"), "{error}");
    let error = refused(&|t| t.get_mut(name).unwrap().values.truncate(7));
    assert!(error.contains(name), "{error}");

    let network = ResNet::new(architecture, 0);
    let mut out = vec![0.0; 64];
    for (n, size) in [
        (0, size(4, 4)),
        (47, size(4, 4)),
        (48, size(0, 4)),
        (48, size(usize::MAX, 9)),
    ] {
        let error = network
            .features_into(&vec![0.0; n], size, &mut out)
            .unwrap_err();
        assert!(error.to_string().contains("whole images"), "{error}");
    }
    let error = network
        .features_into(&[0.0; 96], size(4, 4), &mut out)
        .unwrap_err();
    assert!(error.to_string().contains("expected 128"), "{error}");

    let mut network = TrainableResNet::new(architecture, 0);
    let mut activations = Activations::default();
    let error = network
        .forward(&[0.0; 48], size(4, 4), &mut activations)
        .unwrap_err();
    assert!(error.to_string().contains("too small"), "{error}");
    network
        .forward(&[0.0; 96], size(4, 4), &mut activations)
        .unwrap();
    let mut gradient = vec![0.0; network.parameters().len()];
    for (images, by_features, n) in [
        (48, 128, gradient.len()),
        (96, 127, gradient.len()),
        (96, 128, 7),
    ] {
        let (images, by_features) = (vec![0.0; images], vec![0.0; by_features]);
        let gradient = &mut gradient[..n];
        network
            .backward(&images, &by_features, &mut activations, gradient)
            .unwrap_err();
    }
}

#[test]
fn one_pixel_is_an_image() {
    for name in ["resnet20", "resnet18", "resnet50-cifar"] {
        let network = ResNet::new(name.parse().unwrap(), 0);
        let mut out = vec![f32::NAN; 2 * network.width()];
        network
            .features_into(&[0.5; 6], size(1, 1), &mut out)
            .unwrap();
        assert!(out.iter().all(|v| v.is_finite()), "{name}");
    }
}

#[test]
fn an_overflow_is_not_hidden() {
    let network = ResNet::new("resnet8".parse().unwrap(), 0);
    let mut images = vec![0.1; 6 * 6 * 3];
    images[50] = f32::NAN;
    let mut out = vec![0.0; 64];
    network
        .features_into(&images, size(6, 6), &mut out)
        .unwrap();
    assert!(out.iter().all(|v| v.is_nan()));
}

#[test]
fn a_mean_far_from_zero_costs_the_variance_no_digits() {
    // Noise of variance 1/12 on top of 3,000: in float32, `mean of y^2 - mean^2` is off by half.
    let channels = 16;
    let mut moments = Moments::default();
    let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
    for image in 0..5 {
        let values: Vec<f32> = numbers(300 * channels, 10 + image)
            .iter()
            .map(|v| 3000.0 + v / 3.0)
            .collect();
        moments.add(&values, channels);
        for pixel in values.chunks(channels) {
            sum += f64::from(pixel[3]);
            squares += f64::from(pixel[3]).powi(2);
            n += 1.0;
        }
    }
    let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
    let ones = vec![1.0; channels];
    let norm = moments.finish(&ones, &ones, &mut mean, &mut variance);
    let expected = squares / n - (sum / n).powi(2);
    let found = f64::from(norm.inverse[3]).powi(-2) - 1e-5;
    assert!(
        (found - expected).abs() < 1e-5 * expected,
        "{found}, expected {expected}"
    );
    assert!((f64::from(norm.mean[3]) - sum / n).abs() < 2e-4);

    // Sums of gradients, masked by the rectifier after the batch norm itself.
    let y = numbers(40 * channels, 20);
    let mut gradients = numbers(40 * channels, 21);
    let before = gradients.clone();
    let mut moments = Moments::default();
    moments.add(&y, channels);
    let norm = moments.finish(&ones, &vec![0.1; channels], &mut mean, &mut variance);
    let mut sums = GradientSums::default();
    sums.add(&mut gradients, Mask::Own, &y, &norm);
    let mut expected = 0.0;
    for (i, (after, before)) in gradients.iter().zip(&before).enumerate() {
        let c = i % channels;
        let open = (y[i] - norm.mean[c]) * norm.factor[c] + 0.1 > 0.0;
        assert_eq!(*after, if open { *before } else { 0.0 });
        if c == 3 {
            expected += f64::from(*after) * f64::from(y[i] - norm.mean[3]);
        }
    }
    assert!((sums.centred[3] - expected).abs() < 1e-5);
}
