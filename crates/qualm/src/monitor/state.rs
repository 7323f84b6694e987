//! The state of a sequential test as bytes: data only, versioned and sealed.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::martingale::Jumper;
use super::ranks::{CELLS, Ranks};
use super::sequential::{Progress, Sequential, SequentialSpec};
use crate::container::{Reader, Writer};
use crate::digest;
use crate::error::Result;

const FORMAT: &str = "qualm-monitor";
const VERSION: u64 = 1;

/// The JSON part.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    format_version: u64,
    spec: SequentialSpec,
    progress: Progress,
    /// What the caller keeps with it, such as a model's digest and a position in the input.
    context: Value,
}

impl Sequential {
    /// The whole state: at most 64 KiB, however long the stream. The same state has the same bytes.
    ///
    /// `context` is kept with it and given back by [`Sequential::from_bytes`].
    ///
    /// # Errors
    /// [`crate::Error::SerialiseMetadata`].
    pub fn to_bytes(&self, context: &Value) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        writer.f64("edges", &self.ranks.edges);
        writer.f64("counts", &self.counts());
        writer.f64("shares", &self.jumper.shares);
        writer.into_bytes(&Header {
            format: FORMAT.to_owned(),
            format_version: VERSION,
            spec: self.spec.clone(),
            progress: self.progress.clone(),
            context: context.clone(),
        })
    }

    /// Reads a state, and what was kept with it; `path` is what errors call it.
    ///
    /// # Errors
    /// When the bytes are damaged, of a later version or of something else.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<(Self, Value)> {
        let mut reader = Reader::from_bytes(path, bytes)?;
        reader.check_format(FORMAT, VERSION)?;
        let header: Header = reader.json()?;
        header.spec.guarantee.validate()?;
        let edges = reader.f64("edges")?;
        let counts = reader.f64("counts")?;
        let shares = reader.f64("shares")?;
        let sorted = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if edges.is_empty() || edges.len() >= CELLS || !sorted {
            let found = format!("{} of them", edges.len());
            return Err(reader.corrupt("edges", found, "ascending numbers, fewer than cells"));
        }
        let progress = header.progress;
        let state = Self::checked(
            &reader,
            header.spec,
            edges.into(),
            [&counts, &shares],
            progress,
        )?;
        Ok((state, header.context))
    }

    /// From the parts of a file, of which the counts of the cells and the shares of the experts are checked.
    pub(super) fn checked(
        reader: &Reader,
        spec: SequentialSpec,
        edges: Arc<[f64]>,
        [counts, shares]: [&[f64]; 2],
        progress: Progress,
    ) -> Result<Self> {
        let whole = |n: &f64| *n >= 0.0 && n.fract() == 0.0 && *n < 9e15;
        let total = counts.iter().sum::<f64>();
        let expected = (progress.n_reference + progress.n_counted) as f64;
        let right = (total - expected).abs() < 0.5;
        if counts.len() != edges.len() + 1 || !counts.iter().all(whole) || !right {
            let found = format!("{} of them, {total} in all", counts.len());
            return Err(reader.corrupt("counts", found, "one for each cell, all rows in all"));
        }
        let share = |v: &f64| (0.0..=1.0).contains(v);
        let all = (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if shares.len() != Jumper::EXPERTS || !shares.iter().all(share) || !all {
            return Err(reader.corrupt("shares", format!("{shares:?}"), "shares of one"));
        }
        let counts: Vec<u64> = counts.iter().map(|n| *n as u64).collect();
        let ranks = Ranks::from_counts(edges, &counts);
        let mut jumper = Jumper::default();
        jumper.shares = shares.to_vec();
        Ok(Self::from_parts(spec, ranks, jumper, progress))
    }

    /// The scores in each cell. Counts are exact as float64, up to 2^53 rows.
    pub(super) fn counts(&self) -> Vec<f64> {
        self.ranks.counts().iter().map(|n| *n as f64).collect()
    }
}

/// Tells the scores of one reference from another's: SHA-256, in hexadecimal digits.
#[must_use]
pub fn digest_of_scores(scores: &[f64]) -> String {
    let bytes: Vec<u8> = scores.iter().flat_map(|s| s.to_le_bytes()).collect();
    digest::sha256([bytes.as_slice()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Sequential {
        let reference: Vec<f64> = (0..9000).map(|i| f64::from(i * 7919 % 9001)).collect();
        let mut watch = Sequential::new(&reference, SequentialSpec::default()).unwrap();
        let stream: Vec<f64> = (0..700).map(|i| f64::from(i * 131 % 9001)).collect();
        watch.update(&stream).unwrap();
        watch
    }

    #[test]
    fn a_state_goes_on_as_if_nothing_had_happened() {
        let mut watch = watch();
        let context = serde_json::json!({"position": 700});
        let bytes = watch.to_bytes(&context).unwrap();
        assert!(bytes.len() <= 64 << 10, "{}", bytes.len());
        let (mut again, kept) = Sequential::from_bytes(Path::new("s"), &bytes).unwrap();
        assert_eq!((&again, &kept), (&watch, &context));
        assert_eq!(again.to_bytes(&context).unwrap(), bytes);
        let more = [5.0, 8000.0, 3.5];
        assert_eq!(again.update(&more).unwrap(), watch.update(&more).unwrap());
        assert_eq!(again, watch);
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = watch().to_bytes(&Value::Null).unwrap();
        for place in (0..bytes.len()).step_by(997) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            assert!(
                Sequential::from_bytes(Path::new("s"), &damaged).is_err(),
                "{place}"
            );
        }
        assert!(Sequential::from_bytes(Path::new("s"), &bytes[..bytes.len() - 1]).is_err());
        assert!(Sequential::from_bytes(Path::new("s"), b"").is_err());
    }
}
