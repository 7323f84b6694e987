//! A fingerprint of the values that a model was fitted on.

use sha2::{Digest, Sha256};

use super::matrix::Rows;
use super::select::Features;

/// A running SHA-256 over feature names and float32 values, for a model's provenance.
///
/// It depends on the values and their order only, not on the format of the file or on
/// how its rows were cut into batches.
#[derive(Debug, Clone)]
pub struct InputDigest(Sha256);

impl InputDigest {
    /// Starts with the names of the features, or the name and width of the vector.
    #[must_use]
    pub fn new(features: &Features) -> Self {
        let mut hash = Sha256::new();
        match features {
            Features::Columns(names) => {
                hash.update(b"columns");
                for name in names {
                    // Lengths keep ["ab", "c"] and ["a", "bc"] apart.
                    hash.update((name.len() as u64).to_le_bytes());
                    hash.update(name.as_bytes());
                }
            }
            Features::Vector { name, width } => {
                let name = name.as_deref().unwrap_or_default();
                hash.update(b"vector");
                hash.update((name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                hash.update((*width as u64).to_le_bytes());
            }
        }
        Self(hash)
    }

    /// Adds rows, `(n, d)`, as little-endian float32.
    pub fn update(&mut self, rows: Rows<'_>) {
        let mut bytes = [0; 4096];
        for values in rows.as_slice().chunks(bytes.len() / 4) {
            for (out, value) in bytes.chunks_exact_mut(4).zip(values) {
                out.copy_from_slice(&value.to_le_bytes());
            }
            self.0
                .update(bytes.get(..4 * values.len()).unwrap_or_default());
        }
    }

    /// The digest, as 64 hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        use std::fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in self.0.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_do_not_matter_but_names_and_values_do() {
        let names = Features::Columns(vec!["ab".into(), "c".into()]);
        let values: Vec<f32> = (0..6000_u16).map(f32::from).collect();
        let of = |features: &Features, values: &[f32], cut: usize| {
            let mut digest = InputDigest::new(features);
            for rows in Rows::new(values, 2).unwrap().blocks(cut) {
                digest.update(rows);
            }
            digest.finish()
        };
        let whole = of(&names, &values, usize::MAX / 4);
        assert_eq!(whole.len(), 64);
        assert_eq!(whole, of(&names, &values, 7));
        let other = Features::Columns(vec!["a".into(), "bc".into()]);
        assert_ne!(whole, of(&other, &values, 7));
        let mut changed = values.clone();
        changed[5999] = 0.5;
        assert_ne!(whole, of(&names, &changed, 7));
    }

    #[test]
    fn the_digest_is_the_documented_one() {
        let features = Features::Vector {
            name: None,
            width: 1,
        };
        let mut digest = InputDigest::new(&features);
        digest.update(Rows::new(&[1.0], 1).unwrap());
        let mut plain = b"vector".to_vec();
        plain.extend([0; 8]);
        plain.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        plain.extend(1f32.to_le_bytes());
        let expected = Sha256::digest(&plain);
        let hex = digest.finish();
        assert!(hex.starts_with(&format!("{:02x}{:02x}", expected[0], expected[1])));
    }
}
