//! Covariances of rows and the Mahalanobis metrics they define: the parts of robust estimates.

mod layout;
mod narrow;
mod nearest;
mod panels;
mod spectrum;
mod tile;
mod triangle;
mod whitening;

pub(crate) use layout::{WIDTH, fill, lower, subtract};
pub(crate) use narrow::{Gram, Narrow};
pub(crate) use nearest::nearest;
pub(crate) use panels::Panels;
pub(crate) use spectrum::{CONSTANT, eigen, whiten};
pub(crate) use triangle::Triangle;
pub(crate) use whitening::Whitening;
