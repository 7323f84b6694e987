//! The bytes of a text table, and what is to be known about those that the parser has.

use std::io::Read;

use crate::follow::TextBytes;

/// The bytes, wherever they come from, and how many of them were given out.
pub(super) struct Text {
    pub(super) bytes: Box<dyn TextBytes>,
    pub(super) n_given: u64,
    /// The last few of them.
    tail: Vec<u8>,
    /// Whether the first line ends in `\r\n`, once it has been seen.
    crlf: Option<bool>,
}

/// Bytes of [`Text::tail`].
const TAIL: usize = 8;

impl Text {
    pub(super) fn new(bytes: Box<dyn TextBytes>) -> Self {
        Self {
            bytes,
            n_given: 0,
            tail: Vec::new(),
            crlf: None,
        }
    }

    /// Whether lines end in `\r\n`, as the first does.
    pub(super) fn crlf(&self) -> bool {
        self.crlf == Some(true)
    }

    /// Whether there is more than ends of lines among the last bytes given out.
    pub(super) fn holds_text(&self, n_last: u64) -> bool {
        let n_last = usize::try_from(n_last).unwrap_or(usize::MAX);
        let last = self.tail.len().saturating_sub(n_last);
        let tail = self.tail.get(last..).unwrap_or_default();
        n_last > self.tail.len() || tail.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text")
    }
}

impl Read for Text {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.bytes.read(buf)?;
        self.n_given += n as u64;
        let given = buf.get(..n).unwrap_or_default();
        if self.crlf.is_none()
            && let Some(end) = given.iter().position(|b| *b == b'\n')
        {
            let last = given.get(..end).and_then(<[u8]>::last);
            self.crlf = Some(last.or(self.tail.last()) == Some(&b'\r'));
        }
        let new = buf.get(n.saturating_sub(TAIL)..n).unwrap_or_default();
        self.tail.extend_from_slice(new);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        Ok(n)
    }
}
