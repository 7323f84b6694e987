//! The fuzzy graph of rows: how much each row belongs to the neighbourhood of each other one.

use qualm::NearRow;
use rayon::prelude::*;

/// How near the sum of memberships comes to its target, and in how many halvings at most.
const TOLERANCE: f64 = 1e-5;
const HALVINGS: usize = 64;
/// The least width of a neighbourhood, as a share of its mean distance.
const LEAST: f64 = 1e-3;

/// An edge from one row to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    /// From 0 to 1.
    pub(super) weight: f64,
}

/// The fuzzy union of the neighbourhoods of all rows, both ways, by row and then by the other row.
///
/// McInnes et al., algorithm 1 and equation for B = A + Aᵀ - A ∘ Aᵀ (section 3.1). `near` holds the
/// neighbours of each row without itself; as in `umap-learn`, the row counts as one of its own k.
pub(super) fn union(near: &[Vec<NearRow>]) -> Vec<Edge> {
    let mean = mean_distance(near);
    let one_way: Vec<Vec<Edge>> = (near.par_iter().enumerate())
        .map(|(row, near)| {
            let memberships = memberships(near, near.len() + 1, true, mean);
            let edges = near.iter().zip(memberships).map(|(near, weight)| Edge {
                from: row as u32,
                to: near.row as u32,
                weight,
            });
            edges.collect()
        })
        .collect();
    // Each edge in both directions, with its own weight and that of its opposite.
    let mut both: Vec<(u32, u32, [f64; 2])> = Vec::new();
    for edge in one_way.iter().flatten() {
        both.push((edge.from, edge.to, [edge.weight, 0.0]));
        both.push((edge.to, edge.from, [0.0, edge.weight]));
    }
    both.par_sort_by_key(|(from, to, _)| (*from, *to));
    let mut edges: Vec<Edge> = Vec::new();
    for pair in both.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let there: f64 = pair.iter().map(|(_, _, weights)| weights[0]).sum();
        let back: f64 = pair.iter().map(|(_, _, weights)| weights[1]).sum();
        if let Some((from, to, _)) = pair.first() {
            edges.push(Edge {
                from: *from,
                to: *to,
                weight: there + back - there * back,
            });
        }
    }
    edges
}

/// The mean distance of neighbourhoods in which each row counts itself.
pub(super) fn mean_distance(near: &[Vec<NearRow>]) -> f64 {
    let n: usize = near.iter().map(|near| near.len() + 1).sum();
    let sum: f64 = near.iter().flatten().map(|near| near.distance).sum();
    sum / n.max(1) as f64
}

/// The memberships of the neighbours of a row: exp(-max(0, distance - rho) / sigma), where rho is the
/// distance of the nearest other place, or 0 where the row need not be `connected`, and sigma is such
/// that they sum to log2(k) (algorithm 3, `SmoothKNNDist`). `mean` is that of all neighbourhoods.
pub(super) fn memberships(near: &[NearRow], k: usize, connected: bool, mean: f64) -> Vec<f64> {
    let nearest = near.iter().map(|near| near.distance).find(|d| *d > 0.0);
    let rho = nearest.filter(|_| connected).unwrap_or(0.0);
    let excess = |near: &NearRow| (near.distance - rho).max(0.0);
    let target = (k as f64).log2();
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..HALVINGS {
        let sum: f64 = near.iter().map(|near| (-excess(near) / sigma).exp()).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = sigma;
            sigma = f64::midpoint(low, high);
        } else {
            low = sigma;
            sigma = if high == f64::INFINITY {
                2.0 * sigma
            } else {
                f64::midpoint(low, high)
            };
        }
    }
    // Neighbourhoods of equal rows keep some width.
    let own = near.iter().map(|near| near.distance).sum::<f64>() / k.max(1) as f64;
    sigma = sigma.max(LEAST * if rho > 0.0 { own } else { mean });
    let membership = |near: &NearRow| match excess(near) {
        0.0 => 1.0,
        _ if sigma == 0.0 => 1.0,
        excess => (-excess / sigma).exp(),
    };
    near.iter().map(membership).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(distances: &[f64]) -> Vec<NearRow> {
        let each = distances.iter().enumerate();
        each.map(|(i, distance)| NearRow {
            row: i + 1,
            distance: *distance,
        })
        .collect()
    }

    #[test]
    fn memberships_sum_to_the_logarithm_of_k() {
        let found = memberships(&near(&[1.0, 2.0, 3.0, 7.0]), 5, true, 2.0);
        assert_eq!(found[0], 1.0);
        let sum: f64 = found.iter().sum();
        assert!((sum - 5f64.log2()).abs() < 2e-5, "{sum}");
        // Twice as far is as near.
        let double = memberships(&near(&[2.0, 4.0, 6.0, 14.0]), 5, true, 4.0);
        for (a, b) in found.iter().zip(&double) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        // Copies of one row belong to it wholly.
        assert_eq!(memberships(&near(&[0.0; 4]), 5, true, 0.0), [1.0; 4]);
    }

    #[test]
    fn the_union_is_symmetric() {
        let pairs = |rows: &[(usize, f64)]| -> Vec<NearRow> {
            let rows = rows.iter();
            rows.map(|&(row, distance)| NearRow { row, distance })
                .collect()
        };
        let edges = union(&[
            pairs(&[(1, 1.0), (2, 2.0)]),
            pairs(&[(0, 1.0), (2, 1.5)]),
            pairs(&[(1, 1.5), (0, 2.0)]),
        ]);
        assert_eq!(edges.len(), 6);
        for edge in &edges {
            let back = edges
                .iter()
                .find(|e| (e.from, e.to) == (edge.to, edge.from))
                .unwrap();
            assert_eq!(edge.weight, back.weight);
            assert!(edge.weight > 0.0 && edge.weight <= 1.0);
        }
        // The nearest of each is wholly its own.
        assert_eq!(edges[0].weight, 1.0);
    }
}
