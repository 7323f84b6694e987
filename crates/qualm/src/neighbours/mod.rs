//! Distances between rows, for every detector that asks who is near.

mod distance;

pub(crate) use distance::squared_distance;
