//! Compressed text: `.gz` and `.zst`, decompressed by a thread of its own while the text is parsed.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;

use flate2::read::MultiGzDecoder;
use qualm::Location;

use crate::error::{Error, Result};
use crate::file::{open_file, sniff};
use crate::follow::{TextBytes, read_buffered};
use crate::format::{GZIP, ZSTANDARD, looks_like};

/// Bytes that are decompressed at a time.
const BLOCK: usize = 256 << 10;
/// Blocks that may wait to be parsed.
const QUEUE: usize = 4;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstandard,
}

impl Compression {
    /// What the last extension of a name says, and the name without it.
    pub(crate) fn of(path: &Path) -> Option<(Self, PathBuf)> {
        let extension = path.extension()?.to_string_lossy().to_lowercase();
        let compression = match extension.as_str() {
            "gz" => Self::Gzip,
            "zst" => Self::Zstandard,
            _ => return None,
        };
        Some((compression, path.with_extension("")))
    }

    fn words(self) -> &'static str {
        match self {
            Self::Gzip => GZIP,
            Self::Zstandard => ZSTANDARD,
        }
    }
}

/// Opens a compressed file.
///
/// # Errors
/// Those of [`open_file`], [`Error::EmptyFile`], and [`Error::WrongFormat`] for content that is not
/// compressed so.
pub(crate) fn open(path: &Path, compression: Compression) -> Result<Box<dyn TextBytes>> {
    let at = Location::file(path);
    let mut file = open_file(path)?;
    let head = sniff(&mut file, &at)?;
    if head.is_empty() {
        return Err(Error::EmptyFile { at });
    }
    let found = looks_like(&head);
    if found != compression.words() {
        return Err(Error::WrongFormat {
            at,
            expected: compression.words(),
            found,
        });
    }
    let unreadable = |source| Error::Read {
        at: at.clone(),
        source,
    };
    let file = BufReader::with_capacity(BLOCK, file);
    let decoder: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Zstandard => {
            let decoder = zstd::stream::read::Decoder::with_buffer(file);
            Box::new(decoder.map_err(unreadable)?)
        }
    };
    let ahead = Ahead::start(decoder, compression).map_err(unreadable)?;
    Ok(Box::new(ahead))
}

/// Blocks of bytes that a thread reads ahead.
#[derive(Debug)]
struct Ahead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    /// Of the block, what has been read.
    at: usize,
}

impl Ahead {
    fn start(mut decoder: Box<dyn Read + Send>, compression: Compression) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(QUEUE);
        // It ends when the file does, or when nobody receives any more.
        Builder::new().name("decompress".into()).spawn(move || {
            loop {
                let mut block = Vec::with_capacity(BLOCK);
                let read = decoder.by_ref().take(BLOCK as u64).read_to_end(&mut block);
                let sent = match read {
                    Ok(0) => return,
                    Ok(_) => sender.send(Ok(block)),
                    Err(source) => {
                        // What came before the damage is parsed first, so that its row is known.
                        let _ = sender.send(Ok(block));
                        let _ = sender.send(Err(damaged(source, compression)));
                        return;
                    }
                };
                if sent.is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            blocks,
            block: Vec::new(),
            at: 0,
        })
    }
}

/// What a decoder says, in words that say what to do.
fn damaged(source: io::Error, compression: Compression) -> io::Error {
    io::Error::new(
        source.kind(),
        Damaged {
            what: compression.words(),
            source,
        },
    )
}

#[derive(Debug)]
struct Damaged {
    what: &'static str,
    source: io::Error,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, source } = self;
        write!(
            f,
            "the {what} are damaged or cut off ({source}); copy or write the file again"
        )
    }
}

impl std::error::Error for Damaged {}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.block.len() {
            match self.blocks.recv() {
                Ok(block) => (self.block, self.at) = (block?, 0),
                // The thread has ended: so has the file.
                Err(_) => return Ok(&[]),
            }
        }
        Ok(self.block.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.block.len());
    }
}

impl TextBytes for Ahead {}

/// Bytes of a file that is not compressed.
pub(crate) fn plain(file: File) -> Box<dyn TextBytes> {
    Box::new(BufReader::with_capacity(1 << 16, file))
}
