//! On which line of the file a record begins.
//!
//! The parser says on which line it began to look for it. Empty lines come after that, and so does the
//! second half of `\r\n`, at which it takes a record for complete.

use csv::StringRecord;

/// Corrects the line of a record. `after` is the line on which the parser stands behind it, and `crlf`
/// says whether lines end in `\r\n`.
pub(super) fn correct(record: &mut StringRecord, after: u64, crlf: bool) {
    let Some(position) = record.position() else {
        return;
    };
    let before = position.line();
    let ends = after.saturating_sub(before);
    // What nearly every record is: one line, and the end of it or of the one before.
    let line = match (crlf, ends) {
        (_, 0) | (false, 1) => return,
        (true, 1) if position.byte() > 0 => after,
        _ => {
            let within = record.as_slice().bytes().filter(|b| *b == b'\n').count() as u64;
            let own = within + u64::from(!crlf);
            after.saturating_sub(own).max(before)
        }
    };
    let mut position = position.clone();
    position.set_line(line);
    record.set_position(Some(position));
}

#[cfg(test)]
mod tests {
    use csv::{ReaderBuilder, StringRecord};

    use super::correct;

    fn lines(text: &str) -> Vec<u64> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut lines = Vec::new();
        while reader.read_record(&mut record).unwrap() {
            correct(&mut record, reader.position().line(), text.contains('\r'));
            lines.push(record.position().unwrap().line());
        }
        lines
    }

    #[test]
    fn a_record_begins_where_its_first_field_does() {
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", [1, 2, 3]),
            ("a,b\n1,2\n3,4", [1, 2, 3]),
            ("a,b\n\n\n1,2\n\n3,4\n", [1, 4, 6]),
            ("a,b\n\"x\ny\",2\n3,4\n", [1, 2, 4]),
            ("\"a\nc\",b\n\n\"x\ny\",2\n\n\n\"3\n\n\",4\n", [1, 4, 8]),
            ("\n\na,b\n1,2\n3,4\n", [3, 4, 5]),
        ] {
            assert_eq!(lines(text), expected, "{text:?}");
            let windows = text.replace('\n', "\r\n");
            assert_eq!(lines(&windows), expected, "{windows:?}");
        }
    }
}
