//! Whether a JPEG is whole.
//!
//! The decoder fills what is missing of a truncated JPEG with grey, without a word. A JPEG is
//! a row of segments, each with its length but for the compressed pixels, which end at the next
//! marker (ITU T.81, annex B).

/// Whether the end-of-image marker is there, after at least one scan.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    let mut scanned = false;
    while let Some(start) = next_marker(rest) {
        let [_, marker, after @ ..] = rest.get(start..).unwrap_or_default() else {
            return false;
        };
        rest = after;
        match marker {
            // End of image. A second image, such as a preview, may follow it.
            0xD9 if scanned => return true,
            // Start of image, restarts and markers without a segment.
            0x01 | 0xD0..=0xD9 => {}
            _ => {
                let Some(length) = after.first_chunk().map(|b| u16::from_be_bytes(*b)) else {
                    return false;
                };
                scanned |= *marker == 0xDA;
                rest = after.get(usize::from(length)..).unwrap_or_default();
            }
        }
    }
    false
}

/// The place of the next marker: 0xFF, then neither 0 (a 0xFF of the pixels) nor another 0xFF.
fn next_marker(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF))
}
