//! Moving places until the distances on the map tell the memberships of the graph.

use qualm::rng::{Purpose, stream};
use rand::RngExt;

use super::graph::Edge;

/// Which places an edge is pushed away from; index: epoch.
const NEGATIVE: Purpose = Purpose::of_crate(4, 6);
/// Places that are pushed away for each pair that is drawn together.
const NEGATIVES: f64 = 5.0;
/// The longest move along an axis at one step, before the learning rate.
const LONGEST: f64 = 4.0;
/// Keeps the push between two places finite.
const NEAREST: f64 = 1e-3;

/// When an edge is next used, in epochs.
struct Schedule {
    edge: Edge,
    /// Epochs between two uses: the strongest edge is used in every one.
    every: f64,
    next: f64,
    next_negative: f64,
}

/// Moves places by stochastic gradient descent on the cross-entropy of the graph's memberships and
/// the map's (McInnes et al., algorithm 5; the forces are those of section 3.2, with the gradient of
/// 1 / (1 + a d^(2b))).
///
/// The updates are made one after another in the order of the edges, and what is drawn at random
/// depends on the seed and the epoch alone: the same seed gives the same bits.
pub(super) fn descend(
    places: &mut [[f64; 2]],
    edges: &[Edge],
    [a, b]: [f64; 2],
    epochs: usize,
    seed: u64,
) {
    let largest = edges.iter().map(|edge| edge.weight).fold(0.0, f64::max);
    let used = |edge: &&Edge| edge.weight >= largest / epochs as f64;
    let mut schedule: Vec<Schedule> = (edges.iter().filter(used))
        .map(|edge| {
            let every = largest / edge.weight;
            Schedule {
                edge: *edge,
                every,
                next: every,
                next_negative: every / NEGATIVES,
            }
        })
        .collect();
    for epoch in 0..epochs {
        let mut rng = stream(seed, NEGATIVE, [epoch as u64, 0]);
        let now = epoch as f64;
        let rate = 1.0 - now / epochs as f64;
        for edge in &mut schedule {
            if edge.next > now {
                continue;
            }
            let (from, to) = (edge.edge.from as usize, edge.edge.to as usize);
            let [mut place, other] = [places[from], places[to]];
            let squared = squared(place, other);
            if squared > 0.0 {
                let power = squared.powf(b);
                let pull = -2.0 * a * b * power / squared / (1.0 + a * power);
                let step = step(pull, place, other);
                place = moved(place, step, rate);
                places[from] = place;
                places[to] = moved(other, step, -rate);
            }
            edge.next += edge.every;
            let every = edge.every / NEGATIVES;
            let n = ((now - edge.next_negative) / every).max(0.0) as usize;
            for _ in 0..n {
                let away = rng.random_range(0..places.len());
                if away == from {
                    continue;
                }
                let other = places[away];
                let squared = self::squared(place, other);
                if squared > 0.0 {
                    let push = 2.0 * b / ((NEAREST + squared) * (1.0 + a * squared.powf(b)));
                    place = moved(place, step(push, place, other), rate);
                }
            }
            places[from] = place;
            edge.next_negative += n as f64 * every;
        }
    }
}

fn squared(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

/// The move of a place by a force along the line from another one.
fn step(force: f64, place: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    let along = |axis: usize| (force * (place[axis] - other[axis])).clamp(-LONGEST, LONGEST);
    [along(0), along(1)]
}

fn moved(place: [f64; 2], step: [f64; 2], rate: f64) -> [f64; 2] {
    [place[0] + rate * step[0], place[1] + rate * step[1]]
}
