//! Covariances of rows and the Mahalanobis metrics they define: the parts of robust estimates.

mod layout;
mod nearest;
mod panels;
mod whitening;

pub(crate) use layout::{WIDTH, fill, lower, subtract};
pub(crate) use nearest::nearest;
pub(crate) use panels::Panels;
pub(crate) use whitening::Whitening;
