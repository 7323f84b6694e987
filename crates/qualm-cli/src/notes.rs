//! What is said of the columns of an input.

use qualm_data::ColumnNote;

use crate::advice;
use crate::output::Output;

/// Says which columns are not used, which are likely no data, and what was done to values.
pub(crate) fn on_fit(notes: &[ColumnNote], output: Output) {
    for note in notes {
        let advice = advice::on_columns(note).map(|advice| format!(" ({advice})"));
        let text = format!("{note}{}", advice.unwrap_or_default());
        match note {
            ColumnNote::LeftOut { .. } | ColumnNote::Unknown { .. } => output.warn(text),
            _ if note.is_warning() => Output::warn_always(text),
            _ => output.note(format!("note: {text}")),
        }
    }
}

/// Says what was done to the values of rows that a model scored.
pub(crate) fn on_score(notes: &[ColumnNote], output: Output) {
    for note in notes {
        match note {
            ColumnNote::LeftOut { .. } | ColumnNote::Unknown { .. } => {
                output.warn(note.to_string());
            }
            ColumnNote::Filled { .. } => output.note(format!("note: {note}")),
            _ => {}
        }
    }
}
