//! The laws of random views: against many draws of `torchvision` (`view_laws.py`) by the test of
//! Kolmogorov and Smirnov, and against the probabilities asked for.

use std::collections::HashMap;

use qualm_vision::Image;
use qualm_vision::views::{View, ViewParams, ViewSpec, Views};
use serde::Deserialize;

use super::golden;

const DRAWS: usize = 20_000;

#[derive(Deserialize)]
struct Law {
    width: u32,
    height: u32,
    strength: f64,
    draws: usize,
    quantiles: HashMap<String, Vec<f64>>,
}

fn draw(spec: &ViewSpec, width: u32, height: u32) -> Vec<ViewParams> {
    let pixels = vec![0; 3 * (width * height) as usize];
    let image = Image::new(width, height, pixels).unwrap();
    let views = Views::new(spec.clone(), 3).unwrap();
    let image = &image;
    let params = |index| {
        views.params(&View {
            image,
            id: 5,
            index,
        })
    };
    (0..DRAWS as u64).map(params).collect()
}

/// The largest difference of two distribution functions, one given by its quantiles.
fn difference(found: &[f64], quantiles: &[f64]) -> f64 {
    let below = |sorted: &[f64], x: f64| {
        // The quantiles are kept to six digits.
        let n = sorted.partition_point(|&v| v <= x + 1e-5 * x.abs());
        n as f64 / sorted.len() as f64
    };
    let mut sorted = found.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = quantiles.iter();
    at.map(|&x| (below(&sorted, x) - below(quantiles, x)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn parameters_follow_the_laws_of_torchvision() {
    let laws: Vec<Law> = serde_json::from_slice(&golden("view_laws.json")).unwrap();
    for law in laws {
        let size = if law.strength < 1.0 { 32 } else { 224 };
        let mut spec = ViewSpec::simclr(size);
        (spec.jitter, spec.blur) = (1.0, 1.0);
        let drawn = draw(&spec, law.width, law.height);
        let number = |name: &str, p: &ViewParams| {
            let (crop, jitter) = (&p.crop, p.jitter.as_ref().unwrap());
            let (w, h) = (f64::from(crop.width), f64::from(crop.height));
            match name {
                "left" => crop.left.into(),
                "top" => crop.top.into(),
                "width" => w,
                "height" => h,
                "area" => w * h,
                "log_aspect" => (w / h).ln(),
                "brightness" => jitter.brightness.into(),
                "contrast" => jitter.contrast.into(),
                "saturation" => jitter.saturation.into(),
                "hue" => jitter.hue.into(),
                "sigma" => p.blur.unwrap().sigma,
                other => panic!("{other}"),
            }
        };
        // One in a thousand at 1.95, for 33 laws: 2.3 is one in twenty thousand. The quantiles
        // are rounded to 1/200.
        let (n, m) = (DRAWS as f64, law.draws as f64);
        let bound = 2.3 * ((n + m) / (n * m)).sqrt() + 1.0 / 200.0;
        assert_eq!(law.quantiles.len(), 11);
        for (name, quantiles) in &law.quantiles {
            let found: Vec<f64> = drawn.iter().map(|p| number(name, p)).collect();
            let difference = difference(&found, quantiles);
            let (w, h) = (law.width, law.height);
            assert!(
                difference < bound,
                "{name} at {w} x {h}: {difference} of {bound}"
            );
        }
    }
}

#[test]
fn steps_happen_as_often_as_asked_and_in_any_order() {
    let drawn = draw(&ViewSpec::simclr(224), 256, 256);
    let share = |happens: &dyn Fn(&ViewParams) -> bool| {
        drawn.iter().filter(|p| happens(p)).count() as f64 / DRAWS as f64
    };
    // Four standard deviations.
    let near = |share: f64, p: f64| (share - p).abs() < 4.0 * (p * (1.0 - p) / DRAWS as f64).sqrt();
    assert!(near(share(&|p| p.flip), 0.5));
    assert!(near(share(&|p| p.jitter.is_some()), 0.8));
    assert!(near(share(&|p| p.grey), 0.2));
    assert!(near(share(&|p| p.blur.is_some()), 0.5));
    // Independent of each other.
    assert!(near(share(&|p| p.flip && p.grey), 0.1));
    assert!(near(
        share(&|p| p.jitter.is_some() && p.blur.is_some()),
        0.4
    ));
    let mut orders: HashMap<String, usize> = HashMap::new();
    for jitter in drawn.iter().filter_map(|p| p.jitter.as_ref()) {
        *orders.entry(format!("{:?}", jitter.order)).or_default() += 1;
    }
    assert_eq!(orders.len(), 24);
    let expected = orders.values().sum::<usize>() as f64 / 24.0;
    let square = |&n: &usize| (n as f64 - expected).powi(2) / expected;
    let chi_square: f64 = orders.values().map(square).sum();
    // Its 0.9999 quantile at 23 degrees of freedom is 58.6.
    assert!(chi_square < 58.6, "{chi_square}");
}
