//! Pages for [`qualm`]: galleries of the most and least certain rows, and reports on a model.
//!
//! A page is one HTML file: it opens from disk, can be mailed, prints, and is the same bytes for the
//! same input. Its content security policy allows what stands in the page and nothing else. Every
//! plot is static SVG with its numbers as a table beside it; every number is also in the page's data
//! ([`gallery::Gallery`]), to be written as JSON or Parquet.
//!
//! The library prints nothing and never panics on input; every refusal is an [`Error`].

// Tests may unwrap: a failure there is the test's own report. And they may compare floats:
// many results are exact.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests"
    )
)]

mod error;
pub mod export;
pub mod gallery;
mod images;
mod markup;
pub mod number;
mod page;
mod pages;
pub mod plot;
mod project;
pub mod report;
pub mod rows;
pub mod twin;
mod umap;

pub use error::{Error, Result};
pub use images::RowImages;
pub use page::{Target, check_replaceable};
pub use pages::{Pages, check_page_name};
