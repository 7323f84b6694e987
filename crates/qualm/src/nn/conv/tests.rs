use proptest::prelude::*;
use rand::RngExt;

use super::kernels::{Isa, convolve, weight_gradient};
use super::*;
use crate::rng::{Purpose, stream};

fn numbers(n: usize, index: u64) -> Vec<f32> {
    let mut rng = stream(11, Purpose::INIT, [index, 0]);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Images with a border of zeros that end where their last value does.
fn bordered(values: &[f32], map: Map) -> Vec<f32> {
    let plain = map.bordered(0);
    let mut out = Vec::new();
    for image in values.chunks(plain.len()) {
        let mut to = vec![0.0; map.len()];
        for row in 0..map.rows {
            let from = &image[plain.row_start(row)..][..map.row_values()];
            to[map.row_start(row)..][..map.row_values()].copy_from_slice(from);
        }
        out.extend(to);
    }
    out
}

/// The definition, in float64: calls `visit` with every (output, input, weight) that meet.
fn for_terms(
    conv: Convolution,
    images: usize,
    input: Map,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let out = conv.output(input, 0);
    for image in 0..images {
        for (oy, ox) in (0..out.rows).flat_map(|y| (0..out.cols).map(move |x| (y, x))) {
            for (ky, kx) in (0..conv.kernel).flat_map(|y| (0..conv.kernel).map(move |x| (y, x))) {
                let (y, x) = (oy * conv.stride + ky, ox * conv.stride + kx);
                let (Some(y), Some(x)) = (y.checked_sub(conv.padding), x.checked_sub(conv.padding))
                else {
                    continue;
                };
                if y >= input.rows || x >= input.cols {
                    continue;
                }
                for i in 0..conv.n_in {
                    for o in 0..conv.n_out {
                        visit(
                            ((image * out.rows + oy) * out.cols + ox) * conv.n_out + o,
                            ((image * input.rows + y) * input.cols + x) * conv.n_in + i,
                            ((ky * conv.kernel + kx) * conv.n_in + i) * conv.n_out + o,
                        );
                    }
                }
            }
        }
    }
}

fn assert_near(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3f64, |a, b| a.max(b.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < 4e-6 * largest,
            "{what}, {i}: {found}, expected {expected}"
        );
    }
}

fn unbordered(values: &[f32], map: Map) -> Vec<f32> {
    let mut out = Vec::new();
    for image in values.chunks(map.len()) {
        for row in 0..map.rows {
            out.extend(&image[map.row_start(row)..][..map.row_values()]);
        }
    }
    out
}

fn check(conv: Convolution, images: usize, [rows, cols]: [usize; 2]) {
    let plain = Map {
        rows,
        cols,
        channels: conv.n_in,
        border: 0,
    };
    let input = plain.bordered(conv.padding);
    let out = conv.output(input, conv.gradient_border());
    let x = numbers(images * plain.len(), 0);
    let w = numbers(conv.n_weights(), 1);
    let g = numbers(images * out.bordered(0).len(), 2);
    let mut y = vec![0.0f64; g.len()];
    let mut dx = vec![0.0f64; x.len()];
    let mut dw = vec![0.0f64; w.len()];
    for_terms(conv, images, plain, |at_y, at_x, at_w| {
        y[at_y] += f64::from(x[at_x]) * f64::from(w[at_w]);
        dx[at_x] += f64::from(g[at_y]) * f64::from(w[at_w]);
        dw[at_w] += f64::from(g[at_y]) * f64::from(x[at_x]);
    });
    let (x, g) = (bordered(&x, input), bordered(&g, out));
    let mut packed = Buffer::default();
    for isa in Isa::available() {
        let what = format!("{isa:?} {conv:?} {images} {rows} {cols}");
        let mut found = vec![0.0; images * out.len()];
        conv.pack_forward(&w, &mut packed);
        let sweep = conv.forward(images, input, out);
        convolve(isa, &sweep, &x, &packed, &mut found, Finish::default());
        assert_near(&unbordered(&found, out), &y, &what);

        let mut found = vec![0.0; w.len()];
        weight_gradient(isa, &sweep, &x, &g, &mut found);
        assert_near(&found, &dw, &what);

        if conv.n_in.is_multiple_of(BLOCK) {
            let mut found = vec![0.0; dx.len()];
            conv.pack_backward(&w, &mut packed);
            for (sweep, range) in conv.backward(images, out, plain) {
                convolve(
                    isa,
                    &sweep,
                    &g,
                    &packed[range],
                    &mut found,
                    Finish::default(),
                );
            }
            assert_near(&found, &dx, &what);
        }
    }
}

/// The same through whatever way the layer takes.
fn check_layer(conv: Convolution, images: usize, [rows, cols]: [usize; 2]) {
    let plain = Map {
        rows,
        cols,
        channels: conv.n_in,
        border: 0,
    };
    let input = plain.bordered(conv.padding);
    let out = conv.output(input, conv.gradient_border());
    let x = numbers(images * plain.len(), 0);
    let w = numbers(conv.n_weights(), 1);
    let g = numbers(images * out.bordered(0).len(), 2);
    let mut y = vec![0.0f64; g.len()];
    let mut dx: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let mut dw = vec![0.0f64; w.len()];
    for_terms(conv, images, plain, |at_y, at_x, at_w| {
        y[at_y] += f64::from(x[at_x]) * f64::from(w[at_w]);
        dx[at_x] += f64::from(g[at_y]) * f64::from(w[at_w]);
        dw[at_w] += f64::from(g[at_y]) * f64::from(x[at_x]);
    });
    let bias = numbers(conv.n_out, 3);
    for (i, y) in y.iter_mut().enumerate() {
        *y = (*y + f64::from(bias[i % conv.n_out])).max(0.0);
    }
    let what = format!("{conv:?} {images} {rows} {cols}");
    let mut to = x.clone();
    let (x, g) = (bordered(&x, input), bordered(&g, out));
    let (mut packed, mut work) = (Buffer::default(), Transformed::default());
    conv.pack(&w, &mut packed);
    let mut found = vec![0.0; images * out.len()];
    let finish = Finish {
        bias: Some(&bias),
        relu: true,
        accumulate: true,
    };
    conv.run(
        images,
        (input, &x),
        &packed,
        (out, &mut found),
        finish,
        &mut work,
    );
    assert_near(&unbordered(&found, out), &y, &what);
    conv.pack_back(&w, &mut packed);
    conv.run_back(
        images,
        (out, &g),
        &packed,
        (plain, &mut to),
        true,
        &mut work,
    );
    assert_near(&to, &dx, &what);
    let mut sums = vec![0.0; conv.n_sums()];
    conv.add_gradient(images, (input, &x), (out, &g), &mut sums, &mut work);
    let mut found = vec![0.0; w.len()];
    conv.finish_gradient(&sums, &mut found);
    assert_near(&found, &dw, &what);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_pass_agrees_with_the_definition(
        (kernel, padding) in prop::sample::select(vec![(1, 0), (3, 1), (5, 2), (7, 3), (2, 0), (3, 0), (4, 1)]),
        stride in 1usize..=3,
        n_in in prop::sample::select(vec![1, 3, 5, 16, 32, 48]),
        n_out in prop::sample::select(vec![16, 32, 48, 80]),
        images in 1usize..=3,
        rows in 1usize..=11,
        cols in 1usize..=11,
    ) {
        let conv = Convolution { kernel, stride, padding, n_in, n_out };
        prop_assume!(rows + 2 * padding >= kernel && cols + 2 * padding >= kernel);
        check(conv, images, [rows, cols]);
    }
}

#[test]
fn the_layers_of_resnets_agree_with_the_definition() {
    for (kernel, stride, n_in, n_out, size) in [
        (3, 1, 3, 16, 32),
        (3, 1, 16, 16, 32),
        (3, 2, 16, 32, 32),
        (1, 2, 32, 64, 16),
        (7, 2, 3, 64, 33),
        (1, 1, 64, 256, 7),
        (3, 2, 128, 128, 7),
        (3, 1, 256, 256, 4),
    ] {
        let conv = Convolution {
            kernel,
            stride,
            padding: kernel / 2,
            n_in,
            n_out,
        };
        check(conv, 2, [size, size]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn transforms_agree_with_the_definition(
        n_in in prop::sample::select(vec![16, 64, 96]),
        n_out in prop::sample::select(vec![16, 64, 80]),
        images in 1usize..=5,
        rows in 1usize..=9,
        cols in 1usize..=9,
    ) {
        let conv = Convolution { kernel: 3, stride: 1, padding: 1, n_in, n_out };
        assert_ne!(conv.way(), layer::Way::Direct);
        check_layer(conv, images, [rows, cols]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn pairs_agree_with_the_definition(
        n_in in prop::sample::select(vec![16, 48]),
        n_out in prop::sample::select(vec![16, 32]),
        images in 1usize..=3,
        rows in 1usize..=9,
        cols in 1usize..=19,
        border in 1usize..=2,
    ) {
        let conv = Convolution { kernel: 3, stride: 1, padding: 1, n_in, n_out };
        let input = Map { rows, cols, channels: n_in, border };
        let out = conv.output(input, 1);
        let x = numbers(images * input.bordered(0).len(), 0);
        let w = numbers(conv.n_weights(), 1);
        let mut y = vec![0.0f64; images * out.bordered(0).len()];
        for_terms(conv, images, input, |at_y, at_x, at_w| {
            y[at_y] += f64::from(x[at_x]) * f64::from(w[at_w]);
        });
        let x = bordered(&x, input);
        let (mut packed, mut work) = (Buffer::default(), Transformed::default());
        conv.pack_pairs(&w, &mut packed);
        for isa in Isa::available() {
            let mut found = vec![0.0; images * out.len()];
            let to = (out, &mut found[..]);
            conv.run_pairs(isa, (input, &x), &packed, to, Finish::default(), &mut work);
            assert_near(&unbordered(&found, out), &y, &format!("{isa:?}"));
        }
    }
}

#[test]
fn a_sum_is_finished_as_asked() {
    let conv = Convolution {
        kernel: 1,
        stride: 1,
        padding: 0,
        n_in: 1,
        n_out: 16,
    };
    let map = Map {
        rows: 1,
        cols: 3,
        channels: 1,
        border: 0,
    };
    let out = conv.output(map, 0);
    let sweep = conv.forward(1, map, out);
    let weights: Vec<f32> = (0..16).map(|o| o as f32 - 8.0).collect();
    let bias = vec![0.5; 16];
    for isa in Isa::available() {
        let mut found = vec![1.0; 48];
        let finish = Finish {
            accumulate: true,
            bias: Some(&bias),
            relu: true,
        };
        convolve(
            isa,
            &sweep,
            &[1.0, -2.0, f32::NAN],
            &weights,
            &mut found,
            finish,
        );
        for o in 0..16 {
            let w = o as f32 - 8.0;
            assert_eq!(found[o], (w + 1.5).max(0.0), "{isa:?}");
            assert_eq!(found[16 + o], (1.5 - 2.0 * w).max(0.0), "{isa:?}");
            assert!(found[32 + o].is_nan(), "{isa:?}");
        }
    }
}

#[test]
#[should_panic(expected = "a sweep's input")]
fn a_sweep_that_leaves_its_input_is_refused() {
    let conv = Convolution {
        kernel: 3,
        stride: 1,
        padding: 1,
        n_in: 1,
        n_out: 16,
    };
    let map = Map {
        rows: 2,
        cols: 2,
        channels: 1,
        border: 1,
    };
    let sweep = conv.forward(1, map, conv.output(map, 0));
    let (weights, mut out) = (vec![0.0; 144], vec![0.0; 64]);
    convolve(
        Isa::Portable,
        &sweep,
        &[0.0; 15],
        &weights,
        &mut out,
        Finish::default(),
    );
}
