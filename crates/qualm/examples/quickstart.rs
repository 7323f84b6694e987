//! Fit, score, decide, save and load, on vectors in memory.
//!
//! ```sh
//! cargo run --release --example quickstart -p qualm
//! ```

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use qualm::calibrate::ThresholdRule;
use qualm::{Fitted, Matrix, Spec};

fn main() -> qualm::Result<()> {
    // 500 vectors of three columns on a curve, row after row, and one far from it: row 500.
    let on_curve = |i: u16| {
        let t = f32::from(i) / 80.0;
        [t.cos(), t.sin(), (3.0 * t).cos()]
    };
    let mut vectors: Vec<f32> = (0..500).flat_map(on_curve).collect();
    vectors.extend([4.0, -4.0, 4.0]);
    let rows = Matrix::new(vectors, 3)?;

    // Fit, without labels. One default serves tables and vectors; any other detector is a word:
    // Spec::preset("knn", "default").
    let spec = Spec::default();
    let mut fitted = spec.fit(rows.rows(), 0, &mut ())?;

    // Score: higher = more anomalous.
    let scores = fitted.score(rows.rows())?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    println!("rows with the highest scores: {:?}", &order[..3]);

    // p-values: how likely a row of the same distribution scores as high.
    println!("p-value of row 500: {:.4}", fitted.p_value(scores[500]));

    // The threshold may be changed at any time: here, one false alarm in a hundred.
    fitted.set_threshold_rule(ThresholdRule::Fpr(0.01))?;
    let threshold = fitted.threshold()?;
    let outliers = scores.iter().filter(|score| **score > threshold).count();
    println!("{outliers} rows above the threshold {threshold:.3}");

    // Save, load, and score new rows: the same scores to the bit.
    let path = std::env::temp_dir().join("quickstart.qualm");
    fitted.save(&path)?;
    let loaded = Fitted::load(&path)?;
    assert_eq!(loaded.score(rows.rows())?, scores);
    let new = Matrix::new(vec![1.0, 0.0, 1.0, 3.9, -4.1, 4.0], 3)?;
    for score in loaded.score(new.rows())? {
        println!(
            "new row: score {score:.3}, outlier: {}",
            score > loaded.threshold()?
        );
    }
    Ok(())
}
