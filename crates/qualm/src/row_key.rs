//! A random order of rows that depends on their ids and a seed alone.
//!
//! The rows with the smallest keys are a uniform sample without replacement (the smallest
//! hashes; E. Cohen and H. Kaplan, 'Summarizing data using bottom-k sketches', PODC 2007). How
//! the rows are spread over files, partitions or machines, and in which order they come, does not
//! matter: the sample of a union is found among the samples of its parts.

use sha2::{Digest, Sha256};

/// The place of a row in the order of one seed: the first 128 bits of the SHA-256 of seed and id.
///
/// ```
/// use qualm::RowKey;
///
/// assert_eq!(RowKey::of(0, "row 7"), RowKey::of(0, "row 7"));
/// assert_ne!(RowKey::of(0, "row 7"), RowKey::of(1, "row 7"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey([u8; 16]);

impl RowKey {
    /// How many [cells](Self::cell) there are.
    pub const CELLS: usize = 1 << 16;

    /// The key of a row by its id as text.
    #[must_use]
    pub fn of(seed: u64, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(id.as_bytes());
        let mut key = [0; 16];
        for (byte, hashed) in key.iter_mut().zip(hash.finalize()) {
            *byte = hashed;
        }
        Self(key)
    }

    /// Which of [`RowKey::CELLS`] equal parts of the order the row is in, from 0: counts of rows
    /// by cell are added up, and tell from which cell on no row can be among the first.
    #[must_use]
    pub fn cell(self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// The key as bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_meaning() {
        // `printf '\0\0\0\0\0\0\0\0row 7' | sha256sum`, cut to 128 bits.
        let hex = crate::digest::hex(&RowKey::of(0, "row 7").to_bytes());
        let whole = crate::digest::sha256([&[0u8; 8][..], b"row 7"]);
        assert_eq!(hex, whole[..32]);
        let key = RowKey::of(3, "a");
        assert_eq!(RowKey::from_bytes(key.to_bytes()), key);
    }

    #[test]
    fn cells_are_in_the_order_of_keys_and_about_equally_full() {
        let mut keys: Vec<RowKey> = (0..20_000).map(|i| RowKey::of(5, &i.to_string())).collect();
        keys.sort_unstable();
        assert!(keys.is_sorted_by_key(|key| key.cell()));
        let low = keys.iter().filter(|key| key.cell() < 1 << 14).count();
        // A quarter of them, give or take four standard deviations.
        assert!((4755..5245).contains(&low), "{low}");
    }
}
