//! Advice where the rows look unlike those that the default was chosen on, or are too few for a detector to
//! know new ones by.

use qualm::Rows;

use crate::output;

/// Rows that are few: p-values and thresholds have coarse steps.
const FEW: usize = 50;

/// Columns for each row that are many: nearly every direction is empty.
const MANY: usize = 10;

/// What to do about each thing that is unusual about the rows, a sentence each.
pub(crate) fn advice(rows: Rows<'_>) -> Vec<String> {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let mut advice = Vec::new();
    if n < FEW {
        advice.push(format!(
            "only {}, so no p-value is below {:.2} and one row more or less moves the threshold: \
             fit to more of them, or see with --check-halves how stable the ranking is",
            output::rows(n as u64),
            1.0 / (n as f64 + 1.0)
        ));
    }
    if d > MANY * n {
        advice.push(format!(
            "{} for {}, more than {MANY} each: all rows are nearly equally far apart; reduce the \
             columns first, by PCA for example, or leave out with --exclude what is not relevant",
            output::counted(d as u64, "column"),
            output::rows(n as u64)
        ));
    }
    let flags = two_valued(rows);
    if 2 * flags > d {
        advice.push(format!(
            "{flags} of {} have at most two values, and distances between such rows take few \
             values too: compare with --detector iforest, or leave out with --exclude what is not \
             relevant",
            output::counted(d as u64, "column")
        ));
    }
    let repeated = n - distinct(rows);
    if 2 * repeated > n {
        advice.push(format!(
            "{repeated} of {} repeat another one, and what is repeated counts as usual: fit to \
             the distinct rows if an outlier may be among the repeated",
            output::rows(n as u64)
        ));
    }
    advice
}

/// What to do where a detector knows the fitted rows so well that new ones of the same kind score
/// higher, so that more of them exceed the threshold than it says.
///
/// From so many rows a column on, at most 7 % of new normal rows exceed a threshold for 5 %.
pub(crate) fn too_well_known(detector: &str, rows: Rows<'_>) -> Option<String> {
    let (n, d) = (rows.n_rows(), rows.n_cols());
    let enough = match detector {
        "ee" => 50,
        "ae" => 500,
        _ => return None,
    };
    (n < enough * d).then(|| {
        format!(
            "{detector} knows {} of {} well, and new ones of the same kind score higher: p-values and \
             the threshold call too many of them anomalous; --calibrate FILE takes them from rows kept \
             apart",
            output::rows(n as u64),
            output::counted(d as u64, "column")
        )
    })
}

/// Columns of one or two values.
fn two_valued(rows: Rows<'_>) -> usize {
    let first = rows.iter().next().unwrap_or_default();
    let first = first.iter().map(|x| bits(*x)).enumerate();
    let mut open: Vec<(usize, u32, Option<u32>)> = first.map(|(j, x)| (j, x, None)).collect();
    for row in &rows {
        if open.is_empty() {
            break;
        }
        open.retain_mut(|(j, first, second)| {
            let x = bits(row[*j]);
            x == *first || x == *second.get_or_insert(x)
        });
    }
    open.len()
}

/// Distinct rows, by a hash of 64 bits.
fn distinct(rows: Rows<'_>) -> usize {
    let hash = |row: &[f32]| {
        row.iter().fold(0u64, |hash, x| {
            (hash.rotate_left(5) ^ u64::from(bits(*x))).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        })
    };
    let mut hashes: Vec<u64> = rows.iter().map(hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}

/// Alike for equal values: -0 is 0.
fn bits(x: f32) -> u32 {
    (x + 0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::Matrix;

    fn said(data: Vec<f32>, d: usize) -> Vec<String> {
        advice(Matrix::new(data, d).expect("whole rows").rows())
    }

    #[test]
    fn ordinary_rows_need_no_advice() {
        let data = |n: usize| (0..4 * n).map(|i| (i * 7919 % 10_007) as f32).collect();
        assert!(said(data(50), 4).is_empty());
        assert!(said(data(49), 4)[0].starts_with("only 49 rows, so no p-value is below 0.02"));
    }

    #[test]
    fn what_knows_few_rows_well_says_so() {
        let told = |detector, n: usize| {
            let rows = Matrix::new(vec![0.0; 2 * n], 2).expect("whole rows");
            too_well_known(detector, rows.rows())
        };
        let said = told("ee", 99).expect("some advice");
        assert!(
            said.starts_with("ee knows 99 rows of 2 columns well"),
            "{said}"
        );
        assert_eq!((told("ee", 100), told("ae", 1000)), (None, None));
        assert!(told("ae", 999).is_some() && told("knn", 3).is_none());
    }

    #[test]
    fn each_condition_begins_where_it_says() {
        let value = |i: usize| (i * 7919 % 10_007) as f32;
        let wide = |d: usize| said((0..50 * d).map(value).collect(), d);
        assert!(wide(500).is_empty());
        assert!(wide(501)[0].starts_with("501 columns for 50 rows"));
        // Half of the columns hold flags; then three of four, one of them constant.
        let columns = |flags: usize| {
            let cell = |i: usize| match i % 4 {
                0 if flags > 2 => -0.0,
                j if j < flags => (i / 4 * 3 % 2) as f32,
                _ => value(i),
            };
            said((0..400).map(cell).collect(), 4)
        };
        assert!(columns(2).is_empty());
        assert!(columns(3)[0].starts_with("3 of 4 columns have at most two values"));
        // Each row twice leaves half of them; the zeros of the others differ in sign.
        let repeated = |distinct: usize| {
            let cell = |i: usize| match i / 3 % distinct {
                0 if i >= 150 => -0.0,
                0 => 0.0,
                row => value(3 * row + i % 3),
            };
            said((0..300).map(cell).collect(), 3)
        };
        assert!(repeated(50).is_empty());
        assert!(repeated(49)[0].starts_with("51 of 100 rows repeat another one"));
    }
}
