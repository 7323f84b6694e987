//! Numbers that begin at a cache line: vectors that cross two lines cost the kernels a tenth.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A vector of float32 aligned to a cache line, grown on demand.
#[derive(Debug, Default)]
pub(in crate::nn) struct Buffer {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Gives it another length; the values are any that were there before, or zeros.
    pub(in crate::nn) fn resize(&mut self, len: usize) {
        if self.values.len() < len + LINE / 4 {
            // Not `resize`, which would copy.
            self.values = vec![0.0; len + LINE / 4];
        }
        self.start = match self.values.as_ptr().align_offset(LINE) {
            offset if offset <= LINE / 4 => offset,
            // A processor may refuse to say; only speed depends on it.
            _ => 0,
        };
        self.len = len;
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}
