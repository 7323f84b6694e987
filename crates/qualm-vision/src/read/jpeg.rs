//! What the segments of a JPEG say: whether it is whole, and how many colours it has.
//!
//! The decoder fills what is missing of a truncated JPEG with grey, without a word. A JPEG is
//! a row of segments, each with its length but for the compressed pixels, which end at the next
//! marker (ITU T.81, annex B).

/// Whether the end-of-image marker is there, after at least one scan.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut scanned = false;
    segments(bytes).any(|(marker, _)| {
        scanned |= marker == 0xDA;
        // A second image, such as a preview, may follow it.
        marker == 0xD9 && scanned
    })
}

/// The number of colours of the first frame: 1 of grey, 3 of colour, 4 of print.
pub(super) fn n_colours(bytes: &[u8]) -> Option<u8> {
    // Start of frame, of any coding; the others of these markers are tables.
    let is_frame = |marker| matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC);
    let (_, frame) = segments(bytes).find(|(marker, _)| is_frame(*marker))?;
    // After the length, the bits of a sample, height and width.
    frame.get(7).copied()
}

/// The markers from the second on, each with all that follows it.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [_, marker, after @ ..] = rest.get(next_marker(rest)?..)? else {
            return None;
        };
        rest = match marker {
            // Start and end of image, restarts and markers without a segment.
            0x01 | 0xD0..=0xD9 => after,
            _ => {
                let length = u16::from_be_bytes(*after.first_chunk()?);
                after.get(usize::from(length)..).unwrap_or_default()
            }
        };
        Some((*marker, after))
    })
}

/// The place of the next marker: 0xFF, then neither 0 (a 0xFF of the pixels) nor another 0xFF.
fn next_marker(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF))
}
