//! Small images of every kind of input.

use super::{Folder, files};

/// Pixels that differ from image to image.
pub fn pixels(n: usize, side: usize, seed: u64) -> Vec<u8> {
    let values = files::rows(n, side * side * 3, seed).concat();
    values.iter().map(|v| (128.0 + 40.0 * v) as u8).collect()
}

/// An array of images, uint8 (n, side, side, 3).
pub fn npy(n: usize, side: usize) -> Vec<u8> {
    let shape = format!("({n}, {side}, {side}, 3)");
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(pixels(n, side, 1));
    bytes
}

/// A BMP file of 8 x 8 pixels.
pub fn bmp(seed: u64) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let words: [u32; 6] = [54 + 192, 0, 54, 40, 8, 8];
    bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend(pixels(1, 8, seed));
    bytes
}

/// Two classes of `n` images each.
pub fn folder_of_images(n: u64) -> Folder {
    let folder = Folder::new();
    for i in 0..n {
        folder.write(&format!("images/cats/{i}.bmp"), bmp(2 * i));
        folder.write(&format!("images/dogs/{i}.bmp"), bmp(2 * i + 1));
    }
    folder
}

/// A bitmap of 8 x 8 pixels, 24 bits each: bars of one direction, as wide as `width`.
pub fn bars(class: usize, number: usize, width: usize) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let header = [54 + 192u32, 0, 54, 40, 8, 8];
    bytes.extend(header.map(u32::to_le_bytes).concat());
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0u32; 6].map(u32::to_le_bytes).concat());
    for place in 0..64 {
        let along = if class == 0 { place % 8 } else { place / 8 };
        let on = ((along + number) / width).is_multiple_of(2);
        let light = 40 + (number * 37 % 90) as u8;
        bytes.extend([if on { 255 - light } else { light }; 3]);
    }
    bytes
}
