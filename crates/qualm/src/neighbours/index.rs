//! The fitted rows, and the choice of how to search them.

use rayon::prelude::*;

use super::axes::Axes;
use super::blocks::{Blocks, QUERIES};
use super::distinct::Distinct;
use super::metric::Norm;
use super::nearest::Neighbour;
use super::norm;
use super::pairs;
use super::probe::Probe;
use super::query::{Query, QueryState, SelfMatch};
use super::search::{Group, search};
use super::tile::LEAF;
use super::tree::Tree;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::progress::Meter;
use crate::rows::Rows;
use crate::space::LIMIT;

/// Leaves that are searched between two reports of progress.
const STRETCH: usize = 256;

/// Distinct rows below which the tree of the rows as they are is always searched.
const FEW: usize = 4096;

/// The share of all differences of values above which the tree is slower than the blocks.
const TOO_MANY: f64 = 0.4;

/// The least share of distances beside which the slack must be small.
const PRECISE: f64 = 0.9;

/// New rows below which blocks are slower than the tree.
const FEW_NEW: usize = 64;

/// Fitted rows, ready to be searched for the nearest.
#[derive(Debug)]
pub(crate) struct Neighbours {
    tree: Tree,
    /// Only where they are faster than the tree.
    blocks: Option<Blocks>,
    /// Copies of each distinct row, `(m,)`.
    counts: Vec<u32>,
    /// The place of each distinct row in the order of the tree, `(m,)`.
    places: Vec<u32>,
    norm: Norm,
}

impl Neighbours {
    /// Indexes rows, mapped for this norm. Also returns the number of the distinct row that each row is, `(n,)`.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn fit(rows: Rows<'_>, norm: Norm) -> (Self, Vec<u32>) {
        let distinct = Distinct::new(rows);
        let index = Self::new(&distinct.rows, distinct.counts, rows.n_cols(), norm);
        (index, distinct.numbers)
    }

    /// # Shapes
    /// `rows`: `(m, d)`, distinct, no value beyond [`LIMIT`]; `counts`: `(m,)`, none 0.
    fn new(rows: &[f32], counts: Vec<u32>, d: usize, norm: Norm) -> Self {
        // Rotated rows and products are for the Euclidean norm.
        let mut index = if counts.len() < FEW || norm::is_special(norm) {
            Self::with_axes(None, rows, counts, d)
        } else {
            Self::by_probe(rows, counts, d)
        };
        index.norm = norm;
        index
    }

    /// Rotates rows, or makes blocks of them, where a probe finds that faster.
    fn by_probe(rows: &[f32], counts: Vec<u32>, d: usize) -> Self {
        let mut index = Self::with_axes(Axes::new(rows, d), rows, counts, d);
        let mut probe = Probe::new(&index.tree, &index.counts);
        let tree = &index.tree;
        let precise = probe.share_precise(tree, |row, squared| tree.share_precise(row, squared));
        if precise < PRECISE {
            // Dropped before the next is built, so that memory need not hold both.
            drop(index.tree);
            index = Self::with_axes(None, rows, index.counts, d);
            probe = Probe::new(&index.tree, &index.counts);
        }
        if probe.compared > TOO_MANY {
            let blocks = Blocks::new(&index.tree);
            let share = |row: &[f32], squared| blocks.share_precise(row, squared);
            let precise = probe.share_precise(&index.tree, share);
            index.blocks = (precise > PRECISE).then_some(blocks);
        }
        index
    }

    fn with_axes(axes: Option<Axes>, rows: &[f32], counts: Vec<u32>, d: usize) -> Self {
        let tree = Tree::new(rows, d, axes);
        let mut places = vec![0; counts.len()];
        for (place, number) in tree.numbers.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        Self {
            tree,
            blocks: None,
            counts,
            places,
            norm: Norm::Euclidean,
        }
    }

    fn query(&self, k: usize, self_match: SelfMatch) -> Query<'_> {
        Query {
            tree: &self.tree,
            counts: &self.counts,
            k,
            self_match,
            norm: self.norm,
        }
    }

    /// Bytes for so many rows, all distinct, and the search of their k neighbours: three copies
    /// of the rows while the tree is built, and the neighbours of all of them, which [`pairs`]
    /// hold at once.
    pub(crate) fn memory(n_rows: usize, n_features: usize, k: usize) -> u64 {
        let rows = (n_features as u64).saturating_mul(12);
        let nearest = (k.min(n_rows) as u64).saturating_mul(size_of::<Neighbour>() as u64);
        let each = rows.saturating_add(nearest.saturating_add(size_of::<QueryState<'_>>() as u64));
        (n_rows as u64).saturating_mul(each)
    }

    /// Width of the rows.
    pub(crate) fn n_features(&self) -> usize {
        self.tree.d
    }

    /// Number of distinct rows.
    pub(crate) fn n_distinct(&self) -> usize {
        self.counts.len()
    }

    /// A distinct row by its number, `(d,)`.
    pub(crate) fn row(&self, number: u32) -> &[f32] {
        self.tree.row(self.places[number as usize] as usize)
    }

    /// How often a distinct row occurs.
    pub(crate) fn count(&self, number: u32) -> u32 {
        self.counts[number as usize]
    }

    /// The value of `answer` for each distinct fitted row, by number: `(m,)`. It is called with
    /// the row and its k nearest fitted rows, by distance, counted with their copies.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(crate) fn for_fitted<T: Clone + Default + Send>(
        &self,
        k: usize,
        self_match: SelfMatch,
        meter: &mut Meter<'_>,
        answer: impl Fn(&[f32], Vec<Neighbour>) -> T + Sync,
    ) -> Result<Vec<T>> {
        let total = self.n_distinct() as u64;
        let query = self.query(k, self_match);
        let found = match &self.blocks {
            None => self.by_tree(query, meter, answer)?,
            Some(blocks) => {
                let found = pairs::nearest_of_all(query, blocks, |done, rounds| {
                    meter.work("neighbours", total * done as u64 / rounds as u64, total)
                })?;
                let found = found.into_par_iter().enumerate();
                let answers = found.map(|(place, found)| answer(self.tree.row(place), found));
                answers.collect()
            }
        };
        meter.work("neighbours", total, total)?;
        let mut answers = vec![T::default(); self.n_distinct()];
        for (number, found) in self.tree.numbers.iter().zip(found) {
            answers[*number as usize] = found;
        }
        Ok(answers)
    }

    /// As [`Neighbours::for_fitted`], by the tree and in its order.
    fn by_tree<T: Send>(
        &self,
        query: Query<'_>,
        meter: &mut Meter<'_>,
        answer: impl Fn(&[f32], Vec<Neighbour>) -> T + Sync,
    ) -> Result<Vec<T>> {
        let leaves: Vec<usize> = (0..self.tree.n_leaves()).collect();
        let mut answers = Vec::with_capacity(self.n_distinct());
        for stretch in leaves.chunks(STRETCH) {
            let done = stretch[0] * LEAF;
            meter.work("neighbours", done as u64, self.n_distinct() as u64)?;
            let found = stretch.par_iter().map(|leaf| {
                let group = Group::from_leaf(&self.tree, *leaf);
                let found = search(query, &group).nearest;
                let answers = group.rows().zip(found);
                answers.map(|(row, found)| answer(row, found)).collect()
            });
            let found: Vec<Vec<T>> = found.collect();
            answers.extend(found.into_iter().flatten());
        }
        Ok(answers)
    }

    /// The value of `answer` for each of the rows, `(n,)`. It is called with the row and its k
    /// nearest fitted rows.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn for_rows<T: Clone + Default + Send>(
        &self,
        rows: Rows<'_>,
        k: usize,
        self_match: SelfMatch,
        answer: impl Fn(&[f32], Vec<Neighbour>) -> T + Sync,
    ) -> Vec<T> {
        let each = rows.as_slice().par_chunks_exact(self.tree.d).enumerate();
        // Rows of one leaf are near each other, and searched together.
        let mut order: Vec<(u32, usize, &[f32])> = each
            .map(|(i, row)| (self.tree.leaf_of(row), i, row))
            .collect();
        order.par_sort_unstable_by_key(|(leaf, i, _)| (*leaf, *i));
        let query = self.query(k, self_match);
        let blocks = self.blocks.as_ref().filter(|_| order.len() >= FEW_NEW);
        let found: Vec<Vec<T>> = order
            .par_chunks(if blocks.is_some() { QUERIES } else { LEAF })
            .map(|near| {
                let rows: Vec<&[f32]> = near.iter().map(|(_, _, row)| *row).collect();
                let found = if let (Some(blocks), Some((leaf, _, _))) = (blocks, near.first()) {
                    blocks.search(query, &rows, *leaf as usize)
                } else {
                    search(query, &Group::from_rows(&self.tree, rows.clone())).nearest
                };
                let answers = rows.into_iter().zip(found);
                answers.map(|(row, found)| answer(row, found)).collect()
            })
            .collect();
        let mut answers = vec![T::default(); rows.n_rows()];
        for ((_, i, _), found) in order.into_iter().zip(found.into_iter().flatten()) {
            answers[i] = found;
        }
        answers
    }

    /// Writes the distinct rows and their counts, by number.
    pub(crate) fn save(&self, writer: &mut Writer) {
        let numbers = 0..self.n_distinct() as u32;
        let rows: Vec<f32> = numbers.flat_map(|n| self.row(n)).copied().collect();
        writer.f32("rows", &[self.n_distinct(), self.n_features()], &rows);
        writer.u32("counts", &self.counts);
    }

    /// Reads what [`Neighbours::save`] wrote, and builds the same tree.
    ///
    /// # Errors
    /// [`crate::Error::CorruptModel`], also when there are not more rows than `k`.
    pub(crate) fn restore(
        k: usize,
        n_features: usize,
        norm: Norm,
        reader: &mut Reader,
    ) -> Result<Self> {
        let rows = reader.f32_rows("rows", n_features)?;
        let counts = reader.u32("counts")?;
        // Beyond it squared distances could overflow; no fit writes such rows.
        if let Some(far) = rows.iter().find(|x| f64::from(x.abs()) > LIMIT) {
            let expected = format!("values of at most {LIMIT:e}");
            return Err(reader.corrupt("rows", format!("with {far:e}"), expected));
        }
        let m = rows.len() / n_features;
        if counts.len() != m || counts.contains(&0) {
            let found = format!(
                "{} counts, the least {:?}",
                counts.len(),
                counts.iter().min()
            );
            let expected = format!("{m} counts of at least 1");
            return Err(reader.corrupt("counts", found, expected));
        }
        let n: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        if n <= k as u64 {
            let expected = format!("more than the {k} neighbours asked for");
            return Err(reader.corrupt("counts", format!("{n} rows"), expected));
        }
        Ok(Self::new(&rows, counts, n_features, norm))
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance::squared_distance;
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::SAMPLE, [1, 0]);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    /// The definition: all distances, sorted.
    fn by_definition(
        index: &Neighbours,
        row: &[f32],
        k: usize,
        self_match: SelfMatch,
    ) -> Vec<Neighbour> {
        let mut all: Vec<(f64, u32)> = (0..index.n_distinct() as u32)
            .map(|number| (squared_distance(row, index.row(number)), number))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let has_equal = all[0].0 == 0.0;
        let mut left = k as u32 - u32::from(has_equal && self_match == SelfMatch::DropAll);
        let mut found = Vec::new();
        for (squared, number) in all {
            let copies = match self_match {
                _ if squared > 0.0 => index.count(number),
                SelfMatch::Keep => index.count(number),
                SelfMatch::DropOne => index.count(number) - 1,
                SelfMatch::DropAll => 0,
            };
            let weight = copies.min(left);
            left -= weight;
            if weight > 0 {
                found.push(Neighbour {
                    distance: squared.sqrt(),
                    row: number,
                    weight,
                });
            }
        }
        found
    }

    /// Easy rows and hard ones: `(what, rows, columns)`.
    fn sets() -> Vec<(&'static str, Vec<f32>, usize)> {
        let far: Vec<f32> = normals(1, 400 * 6).iter().map(|x| 1e6 + x).collect();
        let mixed = normals(2, 500 * 4).into_iter().enumerate();
        let mixed = mixed.map(|(i, x)| [1e9 * x, x.round(), 1e-6 * x, 0.0][i % 4]);
        let grid: Vec<f32> = normals(3, 600 * 3).iter().map(|x| x.round()).collect();
        let tiny: Vec<f32> = normals(4, 300 * 5).iter().map(|x| 1e-22 * x).collect();
        let huge: Vec<f32> = normals(8, 300 * 5).iter().map(|x| 1e14 * x).collect();
        let sides = normals(9, 700 * 7).into_iter().enumerate();
        let sides = sides.map(|(i, x)| x + [1e5, -1e5][i / 7 % 2]);
        let outlier = [1e12; 40].into_iter().chain(normals(10, 600 * 40));
        let flat = normals(11, 700).into_iter();
        vec![
            ("one row", vec![1.0, -0.0], 2),
            ("one column", normals(5, 1000), 1),
            ("a cloud", normals(6, 1100 * 9), 9),
            ("wide", normals(7, 300 * 150), 150),
            ("far from zero", far, 6),
            ("mixed scales", mixed.collect(), 4),
            ("ties and copies", grid, 3),
            ("tiny", tiny, 5),
            ("huge", huge, 5),
            ("far from each other", sides.collect(), 7),
            ("one that is far", outlier.collect(), 40),
            ("a line", flat.flat_map(|x| [x; 35]).collect(), 35),
        ]
    }

    /// Every way of searching, also where another would be chosen.
    fn ways(rows: Rows<'_>) -> [(&'static str, Neighbours); 3] {
        let Distinct { rows, counts, .. } = Distinct::new(rows);
        let d = rows.len() / counts.len();
        let with_axes = |axes| Neighbours::with_axes(axes, &rows, counts.clone(), d);
        let mut blocks = with_axes(None);
        blocks.blocks = Some(Blocks::new(&blocks.tree));
        [
            ("columns", with_axes(None)),
            ("axes", with_axes(Axes::new(&rows, d))),
            ("blocks", blocks),
        ]
    }

    fn for_fitted(index: &Neighbours, k: usize, self_match: SelfMatch) -> Vec<Vec<Neighbour>> {
        let mut nobody = ();
        let mut meter = Meter::new(&mut nobody);
        let found = index.for_fitted(k, self_match, &mut meter, |_, found| found);
        found.unwrap()
    }

    #[test]
    fn the_nearest_are_those_of_the_definition_to_the_bit() {
        for (what, data, d) in sets() {
            let ways = ways(Rows::new(&data, d).unwrap());
            // Between the rows, and outside.
            let new: Vec<f32> = data.iter().rev().map(|x| x * 1.01).collect();
            let new = Rows::new(&new, d).unwrap();
            let any = &ways[0].1;
            for k in [1, 7, 40] {
                for self_match in [SelfMatch::Keep, SelfMatch::DropOne, SelfMatch::DropAll] {
                    let expected = |row| by_definition(any, row, k, self_match);
                    let numbers = 0..any.n_distinct() as u32;
                    let of_fitted: Vec<_> = numbers.map(|n| expected(any.row(n))).collect();
                    let of_new: Vec<_> = new.iter().map(expected).collect();
                    for (way, index) in &ways {
                        let what = format!("{what} by {way}, k = {k}, {self_match:?}");
                        assert_eq!(for_fitted(index, k, self_match), of_fitted, "{what}");
                        let found = index.for_rows(new, k, self_match, |_, found| found);
                        assert_eq!(found, of_new, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_norms_find_the_nearest_of_the_definition() {
        for (what, data, d) in sets() {
            let rows = Rows::new(&data, d).unwrap();
            let new: Vec<f32> = data.iter().rev().map(|x| x * 1.01).collect();
            let new = Rows::new(&new, d).unwrap();
            for norm in [
                Norm::Sum,
                Norm::Largest,
                Norm::Power(1.5),
                Norm::Power(40.0),
            ] {
                let (index, _) = Neighbours::fit(rows, norm);
                let found = index.for_rows(new, 7, SelfMatch::Keep, |_, found| found);
                for (row, found) in new.iter().zip(found) {
                    let distance = |number| norm::distance(norm, row, index.row(number));
                    let mut all: Vec<f64> = (0..index.n_distinct() as u32)
                        .flat_map(|i| vec![distance(i); index.count(i) as usize])
                        .collect();
                    all.sort_by(f64::total_cmp);
                    let found = found
                        .iter()
                        .flat_map(|n| vec![n.distance; n.weight as usize]);
                    for (found, expected) in found.zip(all) {
                        // Columns are summed in another order.
                        let near = (found - expected).abs() <= 1e-12 * expected;
                        assert!(near, "{what} by {norm:?}: {found} {expected}");
                    }
                }
            }
        }
    }

    /// Blocks where no box separates the rows, axes elsewhere, and the columns as they are where
    /// the errors of rotated rows would hide the neighbours.
    #[test]
    fn the_way_is_chosen() {
        let way = |data: &[f32], d| {
            let (index, _) = Neighbours::fit(Rows::new(data, d).unwrap(), Norm::Euclidean);
            (index.tree.is_rotated(), index.blocks.is_some())
        };
        let n = FEW + 1000;
        let cloud = normals(1, n * 30);
        assert_eq!(way(&cloud, 30), (true, true));
        assert_eq!(way(&cloud[..1000 * 30], 30), (false, false));
        let line = normals(2, n).into_iter();
        let line: Vec<f32> = line.flat_map(|x| [x, -x, 2.0 * x, x]).collect();
        assert_eq!(way(&line, 4), (true, false));
        let sides = normals(3, n * 3).into_iter().enumerate();
        let sides = sides.map(|(i, x)| 0.1 * x + [1e4, -1e4][i % 2]);
        assert_eq!(way(&sides.collect::<Vec<f32>>(), 3), (false, false));
    }
}
