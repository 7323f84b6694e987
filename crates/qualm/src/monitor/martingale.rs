//! A conformal test martingale that bets on several kinds of change at once.

/// Functions of a p-value that bet against its being uniform: each is at least 0 and its mean over
/// (0, 1] is 1.
#[derive(Debug, Clone, Copy)]
enum Expert {
    /// `1 + e (2 p - 1)`: scores higher or lower than before.
    Linear(f64),
    /// `1 + e (6 p^2 - 6 p + 1)`: scores wider or narrower than before (the second Legendre polynomial).
    Quadratic(f64),
    /// 1: no bet.
    Constant,
    /// `e p^(e - 1)`: a few scores far above.
    Power(f64),
}

const EXPERTS: [Expert; 12] = [
    Expert::Linear(-0.9),
    Expert::Linear(-0.5),
    Expert::Linear(0.5),
    Expert::Linear(0.9),
    Expert::Quadratic(-0.9),
    Expert::Quadratic(-0.45),
    Expert::Quadratic(0.45),
    Expert::Quadratic(0.9),
    Expert::Constant,
    Expert::Power(0.25),
    Expert::Power(0.5),
    Expert::Power(0.75),
];

/// The share of the capital that is dealt out anew before each bet.
const JUMP: f64 = 0.01;

impl Expert {
    fn bet(self, p: f64) -> f64 {
        match self {
            Self::Linear(e) => 1.0 + e * (2.0 * p - 1.0),
            Self::Quadratic(e) => 1.0 + e * (6.0 * p * p - 6.0 * p + 1.0),
            Self::Constant => 1.0,
            Self::Power(e) => e * p.powf(e - 1.0),
        }
    }
}

/// A simple jumper (V. Vovk, A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, 2nd
/// edition, 2022, section 8.1) over experts of four families.
///
/// With capitals `C_i`, jump rate `J` and `E` experts, each p-value does
/// `C_i <- (1 - J) C_i + (J / E) sum C`, then `C_i <- C_i f_i(p)`. What is kept are the shares
/// `C_i / sum C`; [`Jumper::bet`] gives by how much the sum has grown. The mixture over families
/// is ours: one alone never notices some changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Jumper {
    /// Shares of the capital; their sum is 1.
    pub(super) shares: Vec<f64>,
}

impl Default for Jumper {
    fn default() -> Self {
        Self {
            shares: vec![1.0 / Self::EXPERTS as f64; Self::EXPERTS],
        }
    }
}

impl Jumper {
    /// How many experts bet.
    pub const EXPERTS: usize = EXPERTS.len();

    /// Bets on a p-value in (0, 1]. Gives the factor by which the capital has changed: if p-values
    /// are independent and uniform, its mean is 1 whatever came before.
    pub fn bet(&mut self, p: f64) -> f64 {
        let dealt = JUMP / Self::EXPERTS as f64;
        let mut growth = 0.0;
        for (share, expert) in self.shares.iter_mut().zip(EXPERTS) {
            *share = ((1.0 - JUMP) * *share + dealt) * expert.bet(p);
            growth += *share;
        }
        for share in &mut self.shares {
            *share /= growth;
        }
        growth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expert_is_fair() {
        // Gauss-Legendre would be exact for polynomials only; the midpoint rule on p = x^8 makes
        // the powers smooth at 0.
        let n = 200_000;
        for expert in EXPERTS {
            let mean: f64 = (0..n)
                .map(|i| {
                    let x = (f64::from(i) + 0.5) / f64::from(n);
                    expert.bet(x.powi(8)) * 8.0 * x.powi(7)
                })
                .sum::<f64>()
                / f64::from(n);
            assert!((mean - 1.0).abs() < 1e-8, "{expert:?}: {mean}");
            let least = (1..=1000).map(|i| expert.bet(f64::from(i) / 1000.0));
            assert!(least.fold(f64::MAX, f64::min) >= 0.0, "{expert:?}");
        }
    }

    #[test]
    fn shares_stay_shares() {
        let mut jumper = Jumper::default();
        for i in 0..10_000 {
            let p = if i % 3 == 0 {
                1e-300
            } else {
                1.0 - f64::from(i % 7) / 8.0
            };
            let growth = jumper.bet(p);
            assert!(growth > 0.0 && growth.is_finite());
            let sum: f64 = jumper.shares.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
