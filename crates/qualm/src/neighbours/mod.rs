//! Exact nearest neighbours, for every detector that compares rows by distance.
//!
//! [`Neighbours`] finds the k nearest fitted rows by Euclidean distance, ties by the order in
//! which rows first occur, whichever way it searches. Rows that occur several times are kept
//! once, with a count. Other [`metric`]s are this distance of mapped rows, or another [`norm`]
//! of the differences, by which the tree alone is searched.
//!
//! There are three ways:
//!
//! - a k-d [`tree`] whose leaves are blocks of [`tile::LEAF`] rows, searched for groups of as
//!   many rows. Where its boxes separate the rows, most leaves are never visited, and where the
//!   first columns do, most sums of squared differences are never completed. The rows in it are
//!   rotated to their principal [`axes`], so that this does not depend on the given columns.
//! - the same tree of the rows as they are. Its rounding errors are relative to the distances,
//!   wherever the rows lie; those of rotated rows also grow with the distance from the centre.
//!   It is for rows whose neighbours those errors would hide, and for few rows, where finding
//!   axes takes longer than it saves.
//! - [`blocks`], matrix products of all rows with all, which take less than half of the time
//!   for each pair of values, where neither boxes nor columns separate the rows. Among the
//!   fitted rows, a product serves both rows of a [pair](pairs).
//!
//! Which way is taken is decided by a [`probe`]: the tree is searched for the neighbours of a few
//! hundred rows. The number of columns alone says little: 37 columns of network traffic fall
//! into a few boxes, and 20 independent ones do not.
//!
//! The tree is our own because the k-d tree crates lack what makes it fast: leaves laid out
//! column by column for vector instructions, groups of queries that walk together, tight boxes
//! in any number of columns known at run time, and many equal coordinates.

mod axes;
mod blocks;
mod distance;
mod distinct;
mod index;
mod metric;
mod nearest;
mod norm;
mod pairs;
mod probe;
mod query;
mod rows;
mod sample;
mod search;
mod tile;
mod tree;

pub(crate) use distance::{dot, squared_distance};
pub(crate) use index::Neighbours;
pub use metric::DistanceMetric;
pub(crate) use metric::{EUCLIDEAN_POWER, Norm, is_euclidean_power, unwritten};
pub(crate) use nearest::Neighbour;
pub(crate) use norm::distance;
pub(crate) use query::SelfMatch;
pub use rows::{NearRow, NearestRows};
