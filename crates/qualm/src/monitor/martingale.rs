//! A conformal test martingale that bets on several kinds of change at once.

use std::f64::consts::FRAC_1_PI;

/// Functions of a p-value that bet against its being uniform: each is at least 0 and its mean over
/// (0, 1] is at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expert {
    /// `1 + e (2 p - 1)`: scores higher (e < 0) or lower than before.
    Linear(f64),
    /// `1 + e (6 p^2 - 6 p + 1)`: scores wider (e > 0) or narrower than before (the second Legendre
    /// polynomial).
    Quadratic(f64),
    /// 1: no bet.
    Constant,
    /// The density of the beta distribution, `k p^(a - 1) (1 - p)^(b - 1)` with `k = 1 / B(a, b)`. With
    /// b = 1 it is `a p^(a - 1)`, the bet of a power martingale on scores far above.
    Beta { a: f64, b: f64, k: f64 },
    /// `1 - h`, and where `p <= q` `h / q` more: a few scores above nearly all others.
    Tail(f64, f64),
}

/// Weak bets and strong ones, on each direction, and their shares of capital that is dealt out, in 32nds.
/// Weak bets lose little while nothing changes and may hold more, and the reserve that does not bet
/// most. On streams of other strengths than those of `bench/monitor`, this found weak shifts in four fifths
/// of the rows that equal shares needed.
const EXPERTS: [(Expert, f64); 17] = [
    (Expert::Linear(-0.9), 1.0),
    (Expert::Linear(-0.4), 4.0),
    (Expert::Linear(0.4), 4.0),
    (Expert::Linear(0.9), 1.0),
    (Expert::Quadratic(-0.9), 1.0),
    (Expert::Quadratic(-0.4), 2.0),
    (Expert::Quadratic(0.4), 2.0),
    (Expert::Quadratic(0.9), 1.0),
    (Expert::Constant, 8.0),
    (beta(0.25, 1.0, 0.25), 1.0),
    (beta(0.5, 1.0, 0.5), 1.0),
    (beta(0.75, 1.0, 0.75), 1.0),
    (beta(1.0, 0.5, 0.5), 1.0),
    (beta(0.5, 0.5, FRAC_1_PI), 1.0),
    // 1 / B(3/4, 3/4).
    (beta(0.75, 0.75, 0.590_170_299_508_048_2), 1.0),
    (beta(3.0, 3.0, 30.0), 1.0),
    (Expert::Tail(0.1, 0.01), 1.0),
];

/// The share of the capital that is dealt out anew before each bet.
const JUMP: f64 = 0.01;

const fn beta(a: f64, b: f64, k: f64) -> Expert {
    Expert::Beta { a, b, k }
}

impl Expert {
    /// What one unit becomes, given p and the logarithms of p and of 1 - p.
    fn bet(self, p: f64, [ln_p, ln_q]: [f64; 2]) -> f64 {
        match self {
            Self::Linear(e) => 1.0 + e * (2.0 * p - 1.0),
            Self::Quadratic(e) => 1.0 + e * (6.0 * p * p - 6.0 * p + 1.0),
            Self::Constant => 1.0,
            Self::Beta { a, b, k } => k * ((a - 1.0) * ln_p + (b - 1.0) * ln_q).exp(),
            Self::Tail(h, q) => 1.0 - h + if p <= q { h / q } else { 0.0 },
        }
    }
}

/// A simple jumper (V. Vovk, A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, 2nd
/// edition, 2022, section 8.1) over experts of several families.
///
/// With capitals `C_i`, jump rate `J` and weights `w_i` whose sum is 1, each p-value does
/// `C_i <- (1 - J) C_i + J w_i sum C`, then `C_i <- C_i f_i(p)`. What is kept are the shares
/// `C_i / sum C`; [`Jumper::bet`] gives by how much the sum has grown. The mixture over families
/// and the weights are ours: one family alone never notices some changes. In the book weights are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Jumper {
    /// Each with its weight, of any sum.
    experts: &'static [(Expert, f64)],
    jump: f64,
    /// Shares of the capital; their sum is 1.
    pub(super) shares: Vec<f64>,
}

impl Default for Jumper {
    fn default() -> Self {
        Self::of(&EXPERTS, JUMP)
    }
}

impl Jumper {
    /// How many experts bet.
    pub const EXPERTS: usize = EXPERTS.len();

    pub(super) fn of(experts: &'static [(Expert, f64)], jump: f64) -> Self {
        let sum = sum_of_weights(experts);
        Self {
            experts,
            jump,
            shares: experts.iter().map(|(_, weight)| weight / sum).collect(),
        }
    }

    /// Bets on a p-value in (0, 1]. Gives the factor by which the capital has changed: if p-values
    /// are independent and uniform, its mean is at most 1 whatever came before.
    ///
    /// `fresh` in \[0, 1\] is the share of the capital that has only now been put in. It belongs to the
    /// experts by their weights, as if a jumper of its own had begun with it: all that happens is
    /// linear in the capitals, so that one jumper is the sum of many.
    pub fn bet(&mut self, p: f64, fresh: f64) -> f64 {
        let stays = (1.0 - fresh) * (1.0 - self.jump);
        let dealt = (1.0 - stays) / sum_of_weights(self.experts);
        let logarithms = logarithms(p);
        let mut growth = 0.0;
        for (share, (expert, weight)) in self.shares.iter_mut().zip(self.experts) {
            *share = (stays * *share + dealt * weight) * expert.bet(p, logarithms);
            growth += *share;
        }
        for share in &mut self.shares {
            *share /= growth;
        }
        growth
    }
}

fn sum_of_weights(experts: &[(Expert, f64)]) -> f64 {
    experts.iter().map(|(_, weight)| weight).sum()
}

/// Of p and of 1 - p. At p = 1 a density would be infinite; a lower bet is fair, too.
fn logarithms(p: f64) -> [f64; 2] {
    [p.ln(), (1.0 - p).max(f64::EPSILON).ln()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expert_is_fair() {
        // The midpoint rule on p = x^8 / (x^8 + (1 - x)^8), which makes densities smooth at 0 and 1.
        let n = 200_000;
        let points = || (0..n).map(move |i| (f64::from(i) + 0.5) / f64::from(n));
        for (expert, _) in EXPERTS {
            let mean: f64 = points()
                .map(|x| {
                    let (low, high) = (x.powi(8), (1.0 - x).powi(8));
                    let p = low / (low + high);
                    let slope = 8.0 * p * (high / (low + high)) / (x * (1.0 - x));
                    expert.bet(p, logarithms(p)) * slope
                })
                .sum::<f64>()
                / f64::from(n);
            // The tail's is a step, which the rule meets to a point.
            let tolerance = match expert {
                Expert::Tail(..) => 1e-4,
                _ => 1e-7,
            };
            assert!((mean - 1.0).abs() < tolerance, "{expert:?}: {mean}");
            let bet = |p| expert.bet(p, logarithms(p));
            let least = (1..=1000).map(|i| bet(f64::from(i) / 1000.0));
            assert!(least.fold(f64::MAX, f64::min) >= 0.0, "{expert:?}");
        }
    }

    #[test]
    fn shares_stay_shares() {
        let mut jumper = Jumper::default();
        for i in 0..10_000 {
            let p = match i % 3 {
                0 => 1e-300,
                1 => 1.0,
                _ => 1.0 - f64::from(i % 7) / 8.0,
            };
            let growth = jumper.bet(p, f64::from(i % 2) * 0.5);
            assert!(growth > 0.0 && growth.is_finite());
            let sum: f64 = jumper.shares.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    /// A jumper with fresh capital is the sum of the old one and of one that begins.
    #[test]
    fn one_jumper_is_the_sum_of_many() {
        let p = [0.03, 0.2, 0.01, 0.7, 0.04, 0.9];
        let (mut old, mut new) = (Jumper::default(), Jumper::default());
        let mut both = Jumper::default();
        let (mut old_capital, mut new_capital, mut capital) = (1.0, 2.0, 1.0);
        for (i, p) in p.into_iter().enumerate() {
            old_capital *= old.bet(p, 0.0);
            let mut fresh = 0.0;
            if i >= 3 {
                new_capital *= new.bet(p, 0.0);
            }
            if i == 3 {
                fresh = 2.0 / (capital + 2.0);
                capital += 2.0;
            }
            capital *= both.bet(p, fresh);
        }
        assert!((capital - old_capital - new_capital).abs() < 1e-12 * capital);
    }
}
