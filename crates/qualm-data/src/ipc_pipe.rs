//! Arrow streams from a pipe: each message is whole, and its lengths are checked, before its reader sees it.

use std::fmt;
use std::io::{self, Cursor, Read};
use std::path::Path;

use arrow_ipc::reader::StreamReader;
use arrow_ipc::root_as_message;
use qualm::Location;

use crate::error::{Error, Result};
use crate::ipc_lengths::{CONTINUATION, check_message, little_endian};
use crate::stream::StreamTable;
use crate::table::guarded;

/// What a stream is that ends within a message.
const CUT_OFF: io::ErrorKind = io::ErrorKind::InvalidData;

/// Whether bytes begin as an Arrow stream does, and as no text.
pub(crate) fn is_stream(head: &[u8]) -> bool {
    !head.is_empty()
        && head
            .iter()
            .zip(CONTINUATION)
            .all(|(found, marker)| *found == marker)
}

/// Opens the table of an Arrow stream. Once `stop` says so, a message that is not whole is the end.
///
/// # Errors
/// When it does not begin with a schema.
pub(crate) fn open(
    path: &Path,
    bytes: impl Read + Send + 'static,
    stop: fn() -> bool,
) -> Result<StreamTable> {
    let at = Location::file(path);
    let messages = Messages {
        bytes,
        at: at.clone(),
        message: Cursor::default(),
        stop,
    };
    let reader = guarded(&at, || StreamReader::try_new(messages, None))?;
    let reader = reader.map_err(|source| Error::Arrow {
        at: at.clone(),
        source,
    })?;
    StreamTable::of_pipe(Box::new(reader), path)
}

/// The bytes of one whole message after the other.
struct Messages<R> {
    bytes: R,
    at: Location,
    message: Cursor<Vec<u8>>,
    stop: fn() -> bool,
}

impl<R> fmt::Debug for Messages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl<R: Read> Messages<R> {
    /// The next message; no bytes at the end.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        if self.append(&mut message, 4)? == 0 {
            return Ok(Vec::new());
        }
        let mut length = 4;
        if message == CONTINUATION {
            self.append(&mut message, 4)?;
            length = 8;
        }
        let metadata = little_endian(message.get(length - 4..).unwrap_or_default());
        self.append(&mut message, metadata)?;
        // What is no message is left to the reader, which refuses it, as it does the end.
        let body = match message.get(length..).map(root_as_message) {
            Some(Ok(found)) => u64::try_from(found.bodyLength()).unwrap_or(0),
            _ => 0,
        };
        self.append(&mut message, body)?;
        check_message(&message, &self.at).map_err(io::Error::other)?;
        Ok(message)
    }

    /// Appends so many bytes, which only take memory once they are there. Gives how many came: all, or
    /// none where the message ends.
    fn append(&mut self, message: &mut Vec<u8>, n: u64) -> io::Result<usize> {
        let found = Read::by_ref(&mut self.bytes).take(n).read_to_end(message)?;
        if found as u64 == n || (found == 0 && message.is_empty()) {
            return Ok(found);
        }
        // Not the kind of an early end, which the reader takes for the end of the stream.
        Err(io::Error::new(CUT_OFF, "it ends within a message"))
    }
}

impl<R: Read> Read for Messages<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.message.read(buffer)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        let message = match self.next() {
            Err(error) if error.kind() == CUT_OFF && (self.stop)() => Vec::new(),
            message => message?,
        };
        self.message = Cursor::new(message);
        self.message.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

    use crate::table::{Projection, Table};

    /// Three batches of two rows.
    fn stream(compression: Option<CompressionType>) -> Vec<u8> {
        let options = IpcWriteOptions::default()
            .try_with_compression(compression)
            .unwrap();
        let batch = |i: u8| {
            let x = [f64::from(i), f64::from(i) + 0.5];
            RecordBatch::try_from_iter([
                ("x", Arc::new(Float64Array::from_iter_values(x)) as ArrayRef),
                (
                    "name",
                    Arc::new(StringArray::from(vec!["usual", "usual"])) as ArrayRef,
                ),
            ])
            .unwrap()
        };
        let mut bytes = Vec::new();
        let schema = batch(0).schema();
        let mut writer = StreamWriter::try_new_with_options(&mut bytes, &schema, options).unwrap();
        for i in 0..3 {
            writer.write(&batch(i)).unwrap();
        }
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn read(bytes: Vec<u8>, stop: fn() -> bool) -> Result<Vec<f64>> {
        let mut table = open(Path::new("-"), Cursor::new(bytes), stop)?;
        let index = 0;
        table.project(&[Projection {
            index,
            verbatim: false,
        }])?;
        let mut values = Vec::new();
        while let Some(chunk) = table.next_chunk()? {
            let x = chunk
                .columns
                .first()
                .and_then(|x| x.as_primitive_opt::<Float64Type>());
            values.extend(x.iter().flat_map(|x| x.values().iter().copied()));
        }
        Ok(values)
    }

    const ALL: [f64; 6] = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5];

    #[test]
    fn a_stream_is_read_and_half_a_message_is_not() {
        for compression in [None, Some(CompressionType::LZ4_FRAME)] {
            let bytes = stream(compression);
            assert!(is_stream(&bytes) && is_stream(&bytes[..2]));
            assert!(!is_stream(b"a,b") && !is_stream(b"") && !is_stream(b"\xFF\xFE"));
            assert_eq!(read(bytes.clone(), || false).unwrap(), ALL);
            let half = bytes[..bytes.len() - 20].to_vec();
            let message = read(half.clone(), || false).unwrap_err().to_string();
            assert!(message.starts_with("standard input, row 5"), "{message}");
            assert_eq!(read(half, || true).unwrap(), ALL[..4]);
        }
    }

    #[test]
    fn damage_is_an_error_or_another_table_and_never_the_end_of_the_process() {
        for compression in [
            None,
            Some(CompressionType::LZ4_FRAME),
            Some(CompressionType::ZSTD),
        ] {
            let bytes = stream(compression);
            for place in 0..bytes.len() {
                for bit in [0x01, 0x80] {
                    let mut damaged = bytes.clone();
                    damaged[place] ^= bit;
                    let _ = read(damaged, || false);
                }
                let _ = read(bytes[..place].to_vec(), || false);
            }
        }
    }
}
