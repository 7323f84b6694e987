//! Temporary.
use crate::error::{Error, Result};
use std::path::Path;
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Features { Columns(Vec<String>), Vector { name: Option<String>, width: usize } }
#[allow(missing_docs)]
impl Features { pub fn width(&self) -> usize { match self { Self::Columns(c) => c.len(), Self::Vector{width,..} => *width } } }
#[allow(missing_docs, missing_debug_implementations)]
pub struct AtomicFile(std::path::PathBuf, Vec<u8>);
#[allow(missing_docs)]
impl AtomicFile {
 pub fn create(p: &Path) -> Result<Self> { Ok(Self(p.to_owned(), vec![])) }
 pub fn write_all(&mut self, b: &[u8]) -> Result<()> { self.1.extend_from_slice(b); Ok(()) }
 pub fn commit(self) -> Result<()> { std::fs::write(&self.0, &self.1).map_err(|source| Error::ReadModel{file:self.0, source}) }
}
