//! Metrics in the text format that Prometheus reads.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>: families with HELP and TYPE, one sample a
//! line, no timestamps, which the textfile collector of the node exporter refuses.

use std::fmt::Write;

/// Names and values of labels.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Families of samples, in text.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

/// How many values lie where.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// The upper ends of the buckets but for the last, ascending.
    edges: Vec<f64>,
    /// Values in each bucket.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(crate) fn new(edges: Vec<f64>) -> Self {
        Self {
            counts: vec![0; edges.len() + 1],
            edges,
            sum: 0.0,
        }
    }

    pub(crate) fn count(&mut self, value: f64) {
        let bucket = self.edges.partition_point(|edge| *edge < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels: Vec<String> = labels.collect();
        let _ = writeln!(self.0, "{name}{{{}}} {}", labels.join(","), number(value));
    }

    /// The samples of a histogram: its buckets hold those below them too.
    pub(crate) fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        let edges = histogram.edges.iter().copied().chain([f64::INFINITY]);
        let mut below = 0;
        for (edge, count) in edges.zip(&histogram.counts) {
            below += count;
            let edge = number(edge);
            let labels = [labels, &[("le", edge.as_str())]].concat();
            self.sample(&format!("{name}_bucket"), &labels, below as f64);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, below as f64);
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn number(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "+Inf".to_owned()
    } else {
        "-Inf".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_by_hand() {
        let mut text = Exposition::default();
        text.family("qualm_rows_total", "counter", "Rows\\read\nso far");
        text.sample("qualm_rows_total", &[("model", "a\\b\"c\n.qualm")], 3.0);
        text.sample("qualm_rows_total", &[], f64::NEG_INFINITY);
        let mut scores = Histogram::new(vec![0.5, 1.0]);
        for value in [0.5, 0.7, 2.0, 1.0] {
            scores.count(value);
        }
        text.histogram("qualm_score", &[("stream", "")], &scores);
        assert_eq!(
            text.text(),
            "# HELP qualm_rows_total Rows\\\\read\\nso far\n\
             # TYPE qualm_rows_total counter\n\
             qualm_rows_total{model=\"a\\\\b\\\"c\\n.qualm\"} 3.0\n\
             qualm_rows_total{} -Inf\n\
             qualm_score_bucket{stream=\"\",le=\"0.5\"} 1.0\n\
             qualm_score_bucket{stream=\"\",le=\"1.0\"} 3.0\n\
             qualm_score_bucket{stream=\"\",le=\"+Inf\"} 4.0\n\
             qualm_score_sum{stream=\"\"} 4.2\n\
             qualm_score_count{stream=\"\"} 4.0\n"
        );
    }
}
