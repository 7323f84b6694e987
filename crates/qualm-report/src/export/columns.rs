//! The columns of all rows, each under a name of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array};
use qualm::Features;

use super::Export;
use crate::rows::Shown;

/// The columns of the model's answers, which every file has under these names.
const OURS: [&str; 5] = [
    "projection_x",
    "projection_y",
    "uncertainty",
    "p_value",
    "outlier",
];

/// Gives columns names that are free and that a program takes.
pub(super) struct Names<'a> {
    taken: BTreeSet<String>,
    /// What a program makes of a name.
    allowed: fn(&str) -> String,
    path: &'a Path,
}

impl<'a> Names<'a> {
    /// `reserved` are those that the program has a meaning of its own for.
    pub(super) fn new(path: &'a Path, reserved: &[&str], allowed: fn(&str) -> String) -> Self {
        let taken = OURS.iter().chain(reserved);
        Self {
            taken: taken.map(|name| (*name).to_owned()).collect(),
            allowed,
            path,
        }
    }

    /// The name of a column of the input; where it is another than it was, a note says so.
    pub(super) fn take(&mut self, name: &str, notes: &mut Vec<String>) -> String {
        let mut free = (self.allowed)(name);
        while !self.taken.insert(free.clone()) {
            free.push_str("_input");
        }
        if free != name {
            notes.push(format!(
                "{}: column '{name}' of the rows is called '{free}'",
                self.path.display()
            ));
        }
        free
    }
}

/// The columns of the input, but for that which names the rows, and the model's answers.
///
/// Vectors are left out, which a note says: their elements have no meaning one by one, and programs
/// that show rows read all columns.
pub(super) fn columns(
    export: &Export,
    shown: &Shown,
    names: &mut Names<'_>,
    notes: &mut Vec<String>,
) -> Vec<(String, ArrayRef)> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let rows = shown.rows.rows();
    for (j, name) in export
        .features
        .names()
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let values = rows.iter().filter_map(|row| row.get(j).copied());
        let values: ArrayRef = Arc::new(Float32Array::from_iter_values(values));
        columns.push((names.take(name, notes), values));
    }
    if let Features::Vector { name, width } = &export.features {
        notes.push(format!(
            "{}: the vectors{} of {width} elements are left out",
            names.path.display(),
            name.as_ref()
                .map_or_else(String::new, |n| format!(" '{n}'")),
        ));
    }
    for (name, values) in &shown.typed {
        if Some(name) != shown.layout.item.as_ref() {
            // A class is a name, also where it is a number.
            let is_class = Some(name) == shown.layout.class.as_ref();
            let values = if is_class {
                Arc::clone(values)
            } else {
                typed(values)
            };
            columns.push((names.take(name, notes), values));
        }
    }
    if let Some(labels) = &shown.labels {
        let name = shown.layout.label().unwrap_or("label");
        let values: ArrayRef = Arc::new(BooleanArray::from(labels.clone()));
        columns.push((names.take(name, notes), values));
    }
    let axis = |axis: usize| -> ArrayRef {
        let values = export.places.iter().map(|place| place[axis]);
        Arc::new(Float32Array::from_iter_values(values))
    };
    let outlier = shown.scores.iter().map(|s| Some(*s > export.threshold));
    let answers: [ArrayRef; 5] = [
        axis(0),
        axis(1),
        Arc::new(Float64Array::from(shown.scores.clone())),
        Arc::new(Float64Array::from(export.p_values.clone())),
        Arc::new(outlier.collect::<BooleanArray>()),
    ];
    let answers = OURS.iter().map(|name| (*name).to_owned()).zip(answers);
    columns.extend(answers);
    columns
}

/// A column of text as numbers, where all of its values are written as numbers are: text formats do
/// not say what their columns hold. Codes such as 007 stay text.
fn typed(values: &ArrayRef) -> ArrayRef {
    let Some(texts) = values.as_string_opt::<i32>() else {
        return Arc::clone(values);
    };
    let known = || texts.iter().flatten().filter(|text| !text.is_empty());
    let is_code = |text: &str| {
        let digits = text.trim_start_matches('-').as_bytes();
        text.starts_with('+')
            || matches!(digits, [b'0', second, ..] if second.is_ascii_digit())
            || !text.bytes().any(|letter| letter.is_ascii_digit())
    };
    if known().next().is_none() || known().any(is_code) {
        return Arc::clone(values);
    }
    if known().all(|text| text.parse::<i64>().is_ok()) {
        let whole = texts.iter().map(|text| text?.parse::<i64>().ok());
        return Arc::new(whole.collect::<Int64Array>());
    }
    if known().all(|text| text.parse::<f64>().is_ok_and(f64::is_finite)) {
        let numbers = texts.iter().map(|text| text?.parse::<f64>().ok());
        return Arc::new(numbers.collect::<Float64Array>());
    }
    Arc::clone(values)
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;

    use super::*;

    #[test]
    fn columns_of_numbers_are_numbers_and_codes_are_not() {
        let kind = |texts: &[&str]| {
            let values: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
            typed(&values).data_type().to_string()
        };
        assert_eq!(kind(&["1", "", "-20", "0"]), "Int64");
        assert_eq!(kind(&["1", "0.5", "1e3", ""]), "Float64");
        for texts in [
            ["007", "1"],
            ["+49", "1"],
            ["", ""],
            ["1", "inf"],
            ["1", "x"],
            ["-012", "1"],
        ] {
            assert_eq!(kind(&texts), "Utf8", "{texts:?}");
        }
    }

    #[test]
    fn every_column_has_a_name_of_its_own_and_another_one_is_said() {
        let plain = |name: &str| name.replace('.', "_");
        let (mut notes, path) = (Vec::new(), Path::new("f.json"));
        let mut names = Names::new(path, &["id"], plain);
        let given = ["a", "a.b", "a_b", "id", "id_input", "outlier"];
        let taken = given.map(|name| names.take(name, &mut notes));
        assert_eq!(
            taken,
            [
                "a",
                "a_b",
                "a_b_input",
                "id_input",
                "id_input_input",
                "outlier_input"
            ]
        );
        assert_eq!(notes.len(), 5);
        assert_eq!(notes[0], "f.json: column 'a.b' of the rows is called 'a_b'");
    }
}
