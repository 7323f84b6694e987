//! Distances between rows, for every detector that asks who is near.
//!
//! [`Neighbours`] answers exactly: the k nearest fitted rows by Euclidean distance, ties by
//! the order in which rows first occur, whichever way they were found. Rows that occur
//! several times are kept once, with a count.
//!
//! Two ways lead there:
//!
//! - a [`tree`] whose leaves are blocks of [`tile::LEAF`] rows, asked by groups of as many
//!   rows. Where its boxes tell rows apart (few columns, or clusters), most leaves are never
//!   met. Distances are sums of squared differences, whose rounding errors are relative,
//!   wherever the rows lie.
//! - [`blocks`], matrix products of all with all, at up to twice the pace, where boxes tell
//!   nothing apart.
//!
//! Which of the two is decided by asking the tree for the neighbours of a few hundred rows
//! ([`Neighbours::prefers_blocks`]): the number of columns alone says little, 37 columns of
//! network traffic fall into a few boxes and 10 independent ones may not.
//!
//! The tree is our own because what makes it fast is not in the k-d tree crates there are:
//! leaves laid out column by column for vectors, groups that walk together, boxes that fit
//! in any number of columns known at run time, and many equal coordinates.

mod blocks;
mod distance;
mod distinct;
mod nearest;
mod question;
mod search;
mod tile;
mod tree;

use pulp::Arch;
use rayon::prelude::*;

use crate::artefact::{Reader, Writer};
use crate::data::Rows;
use crate::error::{Error, Result};
use crate::space::LIMIT;
use crate::training::Session;
use blocks::{ASKED, Blocks};
pub(crate) use distance::squared_distance;
use distinct::Distinct;
pub(crate) use nearest::Neighbour;
pub(crate) use question::Equals;
use question::Question;
use search::{Found, Group, Search};
use tile::LEAF;
use tree::Tree;

/// Leaves whose rows are asked for between two reports of progress.
const STRETCH: usize = 256;

/// Distinct rows below which the tree is always asked.
const FEW: usize = 4096;

/// Leaves whose rows are asked for to choose between tree and blocks, and for how many
/// neighbours.
const PROBES: usize = 8;
const PROBED: usize = 10;

/// The share of all distances above which the tree is slower than the blocks.
const TOO_MANY: f64 = 0.5;

/// New rows below which blocks are not worth their while.
const FEW_NEW: usize = 64;

/// Refuses a number of neighbours that the rows do not have.
///
/// # Errors
/// [`Error::KeyForRows`].
pub(crate) fn check_k(n_neighbors: usize, n_rows: usize) -> Result<()> {
    if n_neighbors < n_rows {
        return Ok(());
    }
    Err(Error::KeyForRows {
        key: "n_neighbors",
        value: n_neighbors,
        most: n_rows.saturating_sub(1),
        n_rows,
    })
}

/// Asks the tree for a group.
fn walk(question: Question<'_>, group: &Group<'_>) -> Found {
    Arch::new().dispatch(Search { question, group })
}

/// Fitted rows, ready to be asked for the nearest.
#[derive(Debug)]
pub(crate) struct Neighbours {
    tree: Tree,
    /// Where they are the faster way.
    blocks: Option<Blocks>,
    /// Copies of each distinct row, `(m,)`.
    counts: Vec<u32>,
    /// Where in the tree's order each distinct row stands, `(m,)`.
    places: Vec<u32>,
}

impl Neighbours {
    /// Also returns which distinct row each of the rows is, `(n,)`.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn fit(rows: Rows<'_>) -> (Self, Vec<u32>) {
        let distinct = Distinct::new(rows);
        let index = Self::new(&distinct.rows, distinct.counts, rows.n_cols());
        (index, distinct.of)
    }

    /// # Shapes
    /// `rows`: `(m, d)`, distinct, no value beyond [`LIMIT`]; `counts`: `(m,)`, none 0.
    fn new(rows: &[f32], counts: Vec<u32>, d: usize) -> Self {
        let tree = Tree::new(rows, d);
        let mut places = vec![0; counts.len()];
        for (place, number) in tree.numbers.iter().enumerate() {
            places[*number as usize] = place as u32;
        }
        let mut index = Self {
            tree,
            blocks: None,
            counts,
            places,
        };
        if index.n_distinct() >= FEW {
            let blocks = Blocks::new(&index.tree);
            index.blocks = index.prefers_blocks(&blocks).then_some(blocks);
        }
        index
    }

    /// Whether the tree spares so little that matrix products are faster, and these are
    /// sharp enough to tell most rows apart.
    fn prefers_blocks(&self, blocks: &Blocks) -> bool {
        let n_leaves = self.tree.n_leaves();
        let question = self.question(PROBED, Equals::Count);
        let probes: Vec<(u64, f64)> = (0..PROBES)
            .into_par_iter()
            .map(|i| {
                let leaf = n_leaves * i / PROBES;
                let group = Group::of_leaf(&self.tree, leaf);
                let found = walk(question, &group);
                let sharp = group.rows().zip(&found.nearest).map(|(row, nearest)| {
                    let last = nearest.last().map_or(0.0, |n| n.distance);
                    blocks.share_sharp(row, last * last)
                });
                (found.compared, sharp.sum())
            })
            .collect();
        let asked = (PROBES * LEAF) as f64;
        let compared = probes.iter().map(|(compared, _)| *compared as f64);
        let sharp = probes.iter().map(|(_, sharp)| *sharp);
        let compared = compared.sum::<f64>() / asked / n_leaves as f64;
        compared > TOO_MANY && sharp.sum::<f64>() / asked > 0.9
    }

    fn question(&self, k: usize, equals: Equals) -> Question<'_> {
        Question {
            tree: &self.tree,
            counts: &self.counts,
            k,
            equals,
        }
    }

    /// Bytes for so many rows, all distinct: the rows twice, while they are read once more.
    pub(crate) fn memory(n_rows: usize, n_features: usize) -> u64 {
        (n_rows as u64).saturating_mul((n_features as u64).saturating_mul(12))
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

    /// What `answer` makes of the k nearest of each distinct fitted row among the fitted
    /// rows, by number: `(m,)`. It gets them by distance, counted with their copies.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(crate) fn among_themselves<T: Clone + Default + Send>(
        &self,
        k: usize,
        equals: Equals,
        session: &mut Session<'_>,
        answer: impl Fn(&[f32], Vec<Neighbour>) -> T + Sync,
    ) -> Result<Vec<T>> {
        let answer_to = |(row, found): (&[f32], Vec<Neighbour>)| answer(row, found);
        let question = self.question(k, equals);
        let total = self.n_distinct() as u64;
        let mut answers = vec![T::default(); self.n_distinct()];
        let leaves: Vec<usize> = (0..self.tree.n_leaves()).collect();
        for stretch in leaves.chunks(STRETCH) {
            let first = stretch[0] * LEAF;
            session.work("neighbours", first as u64, total)?;
            let found: Vec<Vec<T>> = match &self.blocks {
                None => stretch
                    .par_iter()
                    .map(|leaf| {
                        let group = Group::of_leaf(&self.tree, *leaf);
                        let found = walk(question, &group).nearest;
                        group.rows().zip(found).map(&answer_to).collect()
                    })
                    .collect(),
                Some(blocks) => stretch
                    .par_chunks(ASKED / LEAF)
                    .map(|leaves| {
                        let end = (leaves[0] * LEAF + ASKED).min(self.n_distinct());
                        let places = leaves[0] * LEAF..end;
                        let rows: Vec<&[f32]> = places.map(|p| self.tree.row(p)).collect();
                        let found = blocks.ask(question, &rows, leaves[0]);
                        rows.into_iter().zip(found).map(&answer_to).collect()
                    })
                    .collect(),
            };
            let numbers = &self.tree.numbers[first..];
            for (number, found) in numbers.iter().zip(found.into_iter().flatten()) {
                answers[*number as usize] = found;
            }
        }
        session.work("neighbours", total, total)?;
        Ok(answers)
    }

    /// What `answer` makes of the k nearest fitted rows of each row: `(n,)`.
    ///
    /// # Shapes
    /// `rows`: `(n, d)`.
    pub(crate) fn of<T: Clone + Default + Send>(
        &self,
        rows: Rows<'_>,
        k: usize,
        equals: Equals,
        answer: impl Fn(&[f32], Vec<Neighbour>) -> T + Sync,
    ) -> Vec<T> {
        let homes = rows.as_slice().par_chunks_exact(self.tree.d).enumerate();
        let mut order: Vec<(u32, usize, &[f32])> = homes
            .map(|(i, row)| (self.tree.home(row), i, row))
            .collect();
        order.par_sort_unstable_by_key(|(home, i, _)| (*home, *i));
        let question = self.question(k, equals);
        let blocks = self.blocks.as_ref().filter(|_| order.len() >= FEW_NEW);
        let found: Vec<Vec<T>> = order
            .par_chunks(if blocks.is_some() { ASKED } else { LEAF })
            .map(|near| {
                let rows: Vec<&[f32]> = near.iter().map(|(_, _, row)| *row).collect();
                let found = if let (Some(blocks), Some((home, _, _))) = (blocks, near.first()) {
                    blocks.ask(question, &rows, *home as usize)
                } else {
                    walk(question, &Group::of(&self.tree, rows.clone())).nearest
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
    pub(crate) fn restore(k: usize, d: usize, reader: &mut Reader) -> Result<Self> {
        let rows = reader.f32_rows("rows", d)?;
        let counts = reader.u32("counts")?;
        // Beyond it squared distances could overflow, and no fit leaves such rows.
        if let Some(far) = rows.iter().find(|x| f64::from(x.abs()) > LIMIT) {
            let expected = format!("values of at most {LIMIT:e}");
            return Err(reader.corrupt("rows", format!("with {far:e}"), expected));
        }
        let m = rows.len() / d;
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
        Ok(Self::new(&rows, counts, d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand_distr::{Distribution, StandardNormal};

    fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Sample, [1, 0]);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    /// The definition: all distances, sorted.
    fn by_definition(index: &Neighbours, row: &[f32], k: usize, equals: Equals) -> Vec<Neighbour> {
        let mut all: Vec<(f64, u32)> = (0..index.n_distinct() as u32)
            .map(|number| (squared_distance(row, index.row(number)), number))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let met = all[0].0 == 0.0;
        let mut left = k as u32 - u32::from(met && equals == Equals::LeftOut);
        let mut found = Vec::new();
        for (squared, number) in all {
            let copies = match equals {
                _ if squared > 0.0 => index.count(number),
                Equals::Count => index.count(number),
                Equals::LessOne => index.count(number) - 1,
                Equals::LeftOut => 0,
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
        vec![
            ("one row", vec![1.0, -0.0], 2),
            ("one column", normals(5, 1000), 1),
            ("a cloud", normals(6, 1000 * 9), 9),
            ("wide", normals(7, 300 * 150), 150),
            ("far from zero", far, 6),
            ("mixed scales", mixed.collect(), 4),
            ("ties and copies", grid, 3),
            ("tiny", tiny, 5),
            (
                "huge",
                normals(8, 300 * 5).iter().map(|x| 1e14 * x).collect(),
                5,
            ),
        ]
    }

    #[test]
    fn the_nearest_are_those_of_the_definition_to_the_bit() {
        for ((what, data, d), by_blocks) in sets()
            .into_iter()
            .flat_map(|s| [(s.clone(), false), (s, true)])
        {
            let (mut index, _) = Neighbours::fit(Rows::new(&data, d).unwrap());
            index.blocks = by_blocks.then(|| Blocks::new(&index.tree));
            // Between the rows, on them, and outside.
            let new: Vec<f32> = data.iter().rev().map(|x| x * 1.01).collect();
            for k in [1, 7, 40] {
                for equals in [Equals::Count, Equals::LessOne, Equals::LeftOut] {
                    for asked in [&data, &new] {
                        let asked = Rows::new(asked, d).unwrap();
                        let found = index.of(asked, k, equals, |_, found| found);
                        for (row, found) in asked.iter().zip(found) {
                            let expected = by_definition(&index, row, k, equals);
                            assert_eq!(found, expected, "{what}, k = {k}, {equals:?}, {by_blocks}");
                        }
                    }
                }
            }
        }
    }
}
