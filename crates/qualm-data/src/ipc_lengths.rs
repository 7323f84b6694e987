//! The lengths that an Arrow file declares, checked before its reader trusts them.
//!
//! Each compressed buffer begins with the eight bytes of its length once it is decompressed.
//! The reader allocates that much unseen, and an allocation that fails ends the process: one
//! flipped bit would do. No length can be larger than the bytes that follow it expand to.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use arrow_ipc::{CompressionType, Message, RecordBatch, root_as_footer, root_as_message};
use qualm::Location;

use crate::error::{Error, Result};

/// The most that LZ4 expands to: each byte of a long match stands for 255.
const LZ4: u64 = 255;
/// The most that Zstandard expands to: four bytes can stand for a block of 128 KiB.
const ZSTD: u64 = (128 << 10) / 4;
/// The first four bytes of a message, before its length; files of old writers lack them.
pub(crate) const CONTINUATION: [u8; 4] = [0xFF; 4];
/// A file ends with the length of its footer and `ARROW1`.
const FILE_END: u64 = 10;

/// Checks every message of a file or of a stream, and leaves the file at its start.
///
/// What cannot be understood is left to the reader, which refuses it.
///
/// # Errors
/// [`Error::BufferLength`] for a buffer that cannot hold what it promises; [`Error::Damaged`]
/// for parts that lie beyond the end of the file; [`Error::Read`].
pub(crate) fn check(file: &mut File, is_stream: bool, at: &Location) -> Result<()> {
    let unreadable = |source| Error::Read {
        at: at.clone(),
        source,
    };
    let length = file.metadata().map_err(unreadable)?.len();
    check_part(file, length, is_stream, at)?;
    file.rewind().map_err(unreadable)
}

/// Checks a message of a stream that is in memory.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_message(message: &[u8], at: &Location) -> Result<()> {
    let length = message.len() as u64;
    check_part(&mut Cursor::new(message), length, true, at)
}

fn check_part(
    part: &mut (impl Read + Seek),
    length: u64,
    is_stream: bool,
    at: &Location,
) -> Result<()> {
    let mut messages = Messages { part, length, at };
    let checked = if is_stream {
        messages.check_stream()
    } else {
        messages.check_file()
    };
    match checked {
        Ok(()) => Ok(()),
        Err(Stop::Refused(error)) => Err(*error),
        Err(Stop::Io(source)) if source.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Error::Damaged { at: at.clone() })
        }
        Err(Stop::Io(source)) => Err(Error::Read {
            at: at.clone(),
            source,
        }),
    }
}

/// Why a check ended early.
enum Stop {
    Refused(Box<Error>),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

struct Messages<'a, R> {
    part: &'a mut R,
    length: u64,
    at: &'a Location,
}

impl<R: Read + Seek> Messages<'_, R> {
    /// The messages that the footer points at.
    fn check_file(&mut self) -> Result<(), Stop> {
        let Some(before) = self.length.checked_sub(FILE_END) else {
            return Ok(());
        };
        let end = self.bytes(before, 4)?;
        let Some(start) = before.checked_sub(little_endian(&end)) else {
            return Err(self.damaged());
        };
        let footer = self.bytes(start, before - start)?;
        let Ok(footer) = root_as_footer(&footer) else {
            return Ok(());
        };
        let blocks = [footer.dictionaries(), footer.recordBatches()];
        for block in blocks.into_iter().flatten().flatten() {
            let parts = [
                block.offset(),
                i64::from(block.metaDataLength()),
                block.bodyLength(),
            ];
            let [Ok(offset), Ok(metadata), Ok(body)] = parts.map(u64::try_from) else {
                return Err(self.damaged());
            };
            let inside = offset
                .checked_add(metadata)
                .and_then(|n| n.checked_add(body));
            if inside.is_none_or(|end| end > self.length) {
                return Err(self.damaged());
            }
            let bytes = self.bytes(offset, metadata)?;
            let skipped = if bytes.starts_with(&CONTINUATION) {
                8
            } else {
                4
            };
            if let Some(Ok(message)) = bytes.get(skipped..).map(root_as_message) {
                self.check_message(&message, offset + metadata)?;
            }
        }
        Ok(())
    }

    /// One message after the other.
    fn check_stream(&mut self) -> Result<(), Stop> {
        let mut start = 0;
        while start + 4 <= self.length {
            let mut head = self.bytes(start, 4)?;
            start += 4;
            if head == CONTINUATION {
                head = self.bytes(start, 4)?;
                start += 4;
            }
            let metadata = little_endian(&head);
            if metadata == 0 {
                break;
            }
            let bytes = self.bytes(start, metadata)?;
            let Ok(message) = root_as_message(&bytes) else {
                break;
            };
            let body = start + metadata;
            self.check_message(&message, body)?;
            let Ok(length) = u64::try_from(message.bodyLength()) else {
                return Err(self.damaged());
            };
            start = body.saturating_add(length);
        }
        Ok(())
    }

    /// The buffers of a message whose body begins at a byte of the file.
    fn check_message(&mut self, message: &Message<'_>, body: u64) -> Result<(), Stop> {
        let dictionary = message.header_as_dictionary_batch();
        let batch = message
            .header_as_record_batch()
            .or_else(|| dictionary.and_then(|dictionary| dictionary.data()));
        match batch {
            Some(batch) => self.check_batch(&batch, body),
            None => Ok(()),
        }
    }

    fn check_batch(&mut self, batch: &RecordBatch<'_>, body: u64) -> Result<(), Stop> {
        let Some(compression) = batch.compression() else {
            return Ok(());
        };
        let expansion = match compression.codec() {
            CompressionType::LZ4_FRAME => LZ4,
            _ => ZSTD,
        };
        for buffer in batch.buffers().into_iter().flatten() {
            let parts = [buffer.offset(), buffer.length()];
            let [Ok(offset), Ok(length)] = parts.map(u64::try_from) else {
                return Err(self.damaged());
            };
            // Too short for a length: empty, or refused by the reader.
            let Some(compressed) = length.checked_sub(8) else {
                continue;
            };
            let prefix = self.bytes(body.saturating_add(offset), 8)?;
            // Negative for a buffer that was left as it is.
            let promised = little_endian(&prefix);
            if i64::try_from(promised).is_err() {
                continue;
            }
            let most = compressed.saturating_mul(expansion);
            if promised > most || !fits_in_memory(promised) {
                return Err(Stop::Refused(Box::new(Error::BufferLength {
                    at: self.at.clone(),
                    compressed,
                    promised,
                })));
            }
        }
        Ok(())
    }

    /// Some bytes of the file, which must be there: a length from the file is not trusted.
    fn bytes(&mut self, start: u64, length: u64) -> Result<Vec<u8>, Stop> {
        if start
            .checked_add(length)
            .is_none_or(|end| end > self.length)
        {
            return Err(self.damaged());
        }
        self.part.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; length as usize];
        self.part.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn damaged(&self) -> Stop {
        Stop::Refused(Box::new(Error::Damaged {
            at: self.at.clone(),
        }))
    }
}

/// Whether the system would give that much to one buffer. It is not touched, and given back.
fn fits_in_memory(bytes: u64) -> bool {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// A little-endian number of at most eight bytes.
pub(crate) fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |n, &byte| n << 8 | u64::from(byte))
}
