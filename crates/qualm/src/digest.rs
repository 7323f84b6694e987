//! Digests as text: of fitted rows, and of what a model file holds.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The SHA-256 digest of some parts, one after the other, in hexadecimal digits.
#[must_use]
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// The digest of values as little-endian float32.
#[must_use]
pub fn sha256_of_values(values: &[f32]) -> String {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(1 << 16);
    for values in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        hash.update(&bytes);
    }
    hex(&hash.finalize())
}

/// Bytes as hexadecimal digits, two each, in small letters.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_the_published_one() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256([&b"a"[..], b"bc"]), expected);
        assert_eq!(
            sha256_of_values(&[1.5]),
            sha256([&1.5f32.to_le_bytes()[..]])
        );
    }
}
