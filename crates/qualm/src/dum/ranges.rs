//! What each key of a [`DumSpec`] may be.

use super::choices::{BagSize, Bandwidth, Exponent, Network};
use super::spec::DumSpec;
use crate::detector::require;
use crate::error::Result;

impl DumSpec {
    /// Checks every key.
    ///
    /// # Errors
    /// [`crate::Error::InvalidKey`] naming the key, its value and what it may be.
    pub(super) fn check(&self) -> Result<()> {
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if let Bandwidth::Medians(medians) = self.bandwidth {
            let expected = "a number above 0 or \"auto\"";
            require("bandwidth", medians, positive(medians), expected)?;
        }
        if let Exponent::Power(power) = self.exponent {
            let expected = "a number above 0 or \"auto\"";
            require("exponent", power, positive(power), expected)?;
        }
        let holds = (1..=1_000_000).contains(&self.anchors);
        require("anchors", self.anchors, holds, "1 to 1000000")?;
        self.check_network()?;
        let fourier = self.fourier_features;
        let holds = fourier.is_multiple_of(2) && (2..=65_536).contains(&fourier);
        require(
            "fourier_features",
            fourier,
            holds,
            "an even number from 2 to 65536",
        )?;
        let holds = (4..=1 << 24).contains(&self.batch_size);
        require("batch_size", self.batch_size, holds, "4 to 16777216")?;
        let bag = match self.bag_size {
            BagSize::Rows(rows) => rows,
            BagSize::Half => self.batch_size / 2,
        };
        let expected = "at least 2 (with one row a bag the objective has no gradient) or \"half\"";
        require("bag_size", bag, bag >= 2, expected)?;
        let expected = "at most half the batch_size, so that a batch holds a pair of bags";
        require("bag_size", bag, bag <= self.batch_size / 2, expected)?;
        let cells = self.cells.of(0);
        let holds = (1..=1_000_000).contains(&cells);
        require("cells", cells, holds, "1 to 1000000 or \"auto\"")?;
        let holds = (1..=65_536).contains(&self.hidden);
        require("hidden", self.hidden, holds, "1 to 65536")?;
        let holds = (1..=64).contains(&self.layers);
        require("layers", self.layers, holds, "1 to 64")?;
        require("epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        let holds = self.max_steps == 0 || self.max_steps >= self.min_steps;
        let expected = "0 (no limit) or at least min_steps";
        require("max_steps", self.max_steps, holds, expected)?;
        // Adam's numbers are float32.
        let rate = self.learning_rate as f32;
        let holds = rate.is_finite() && rate > 0.0;
        let expected = "a number above 0 that float32 can hold";
        require("learning_rate", self.learning_rate, holds, expected)?;
        let holds = not_negative(self.weight_decay);
        require("weight_decay", self.weight_decay, holds, "0 or above")?;
        let bound = self.log_variance_bound;
        let holds = (0.0..=1e30).contains(&bound);
        require("log_variance_bound", bound, holds, "0 (none) to 1e30")?;
        let holds = not_negative(self.view_noise);
        require("view_noise", self.view_noise, holds, "0 or above")?;
        let holds = (1..=1000).contains(&self.members);
        require("members", self.members, holds, "1 to 1000")
    }

    /// A kernel network takes no gradient steps, and is the answer to one objective.
    fn check_network(&self) -> Result<()> {
        let half = (self.bag_size == BagSize::Half).then_some("bag_size");
        let asks = self.only_mlp().or(half);
        let Some(key) = asks.filter(|_| self.network == Network::Kernel) else {
            return Ok(());
        };
        let value = serde_json::to_value(self).unwrap_or_default();
        let expected = "its default beside network = \"kernel\", which has no such choice; \
                        set network = \"mlp\" for it";
        require(key, &value[key], false, expected)
    }
}
