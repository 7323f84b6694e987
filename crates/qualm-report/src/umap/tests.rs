//! Beside `umap-learn`: the graph to the digit, and how well the map keeps neighbourhoods.

use serde::Deserialize;

use super::*;

/// What tests/golden/maps.py wrote.
#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<f32>>,
    edges: Vec<(u32, u32, f64)>,
    trustworthiness: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/umap.json")).unwrap()
}

fn digits() -> Matrix {
    let values = include_bytes!("../../tests/golden/digits.bin").iter();
    Matrix::new(values.map(|value| f32::from(*value)).collect(), 64).unwrap()
}

/// How far neighbours on the map are neighbours among the rows, at most 1 (J. Venna and S. Kaski,
/// 2001), with k = 5.
fn trustworthiness(rows: &Matrix, points: &[[f32; 2]]) -> f64 {
    let (n, k) = (points.len(), 5);
    let order = |distance: &dyn Fn(usize) -> f64, i: usize| {
        let mut others: Vec<(f64, usize)> = (0..n)
            .filter(|j| *j != i)
            .map(|j| (distance(j), j))
            .collect();
        others.sort_by(|a, b| a.partial_cmp(b).unwrap());
        others.into_iter().map(|(_, j)| j).collect::<Vec<usize>>()
    };
    let squared = |a: &[f32], b: &[f32]| -> f64 {
        let parts = a.iter().zip(b);
        parts.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let row = |i: usize| rows.rows().get(i).unwrap();
    let mut excess = 0;
    for i in 0..n {
        let among_rows = order(&|j| squared(row(i), row(j)), i);
        let mut rank = vec![0; n];
        for (place, j) in among_rows.into_iter().enumerate() {
            rank[j] = place + 1;
        }
        let on_map = order(&|j| squared(&points[i], &points[j]), i);
        let beyond = on_map[..k].iter().map(|&j| rank[j].max(k) - k);
        excess += beyond.sum::<usize>();
    }
    let (n, k) = (n as f64, k as f64);
    1.0 - 2.0 * excess as f64 / (n * k * (2.0 * n - 3.0 * k - 1.0))
}

#[test]
fn the_graph_is_that_of_umap_learn() {
    let golden = golden();
    let rows = Matrix::new(golden.rows.concat(), golden.rows[0].len()).unwrap();
    let near = NearestRows::new(rows.rows()).of_each(NEIGHBOURS - 1);
    let edges = graph::union(&near);
    assert_eq!(edges.len(), golden.edges.len());
    for (edge, (from, to, weight)) in edges.iter().zip(golden.edges) {
        assert_eq!((edge.from, edge.to), (from, to));
        let difference = (edge.weight - weight).abs();
        assert!(difference < 1e-5, "{from} {to}: {} {weight}", edge.weight);
    }
}

#[test]
fn the_map_of_digits_keeps_neighbourhoods_as_umap_learn_does_at_any_thread_count() {
    let rows = digits();
    let found = layout(&rows, false, 0, LAID_OUT).unwrap();
    assert_eq!(found.laid_out, 600);
    let all = golden().trustworthiness;
    let theirs = all.iter().sum::<f64>() / all.len() as f64;
    let ours = trustworthiness(&rows, &found.points);
    assert!((ours - theirs).abs() < 0.02, "{ours} beside {theirs}");
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let again = pool.install(|| layout(&rows, false, 0, LAID_OUT).unwrap());
    assert_eq!(again, found);
    assert_ne!(layout(&rows, false, 1, LAID_OUT).unwrap(), found);
}

#[test]
fn rows_that_are_not_laid_out_lie_among_their_neighbours() {
    // Two clouds far apart, one row in ten laid out.
    let mut rng = stream(0, FIRST, [0, 0]);
    let values = (0..400 * 3).map(|i| rng.random_range(-1.0..1.0) + 50.0 * ((i / 3) % 2) as f32);
    let rows = Matrix::new(values.collect(), 3).unwrap();
    let found = layout(&rows, true, 0, 80).unwrap();
    assert_eq!(found.laid_out, 80);
    // Neighbours are mostly kept, and no row lies with the other cloud.
    assert!(trustworthiness(&rows, &found.points) > 0.85);
    let even: Vec<[f32; 2]> = found.points.iter().step_by(2).copied().collect();
    for odd in found.points.iter().skip(1).step_by(2) {
        let near = even
            .iter()
            .map(|p| (p[0] - odd[0]).hypot(p[1] - odd[1]))
            .fold(f32::MAX, f32::min);
        assert!(near > 0.1, "{near}");
    }
}

#[test]
fn few_rows_equal_rows_and_columns_that_do_not_vary_have_places() {
    for values in [vec![1.0; 12], vec![1.0, 2.0, 3.0], vec![0.0, 0.0, 1e30]] {
        let rows = Matrix::new(values, 1).unwrap();
        for standardise in [true, false] {
            let found = layout(&rows, standardise, 0, LAID_OUT).unwrap();
            assert!(found.points.iter().flatten().all(|v| v.is_finite()));
        }
    }
}
