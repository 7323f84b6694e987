//! Windows that may be the one that an alarm speaks of.

use qualm::monitor::Difference;

use super::stretch::Stretch;

/// Of the windows that may raise an alarm, those of which no other has both a p-value as small and an effect as
/// large.
///
/// Whichever of all windows raise an alarm once p-values are corrected, the one with the largest effect
/// is among them: corrections keep the order of p-values. So the rest need not be remembered.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<Candidate>);

#[derive(Debug)]
struct Candidate {
    p: f64,
    effect: f64,
    /// The window's place, from 0.
    place: usize,
    stretch: Stretch,
}

impl Candidates {
    pub(super) fn add(&mut self, difference: &Difference, place: usize, stretch: Stretch) {
        let (p, effect) = (difference.p, difference.cohens_d.abs());
        if self
            .0
            .iter()
            .any(|other| other.p <= p && other.effect >= effect)
        {
            return;
        }
        self.0
            .retain(|other| !(p <= other.p && effect >= other.effect));
        self.0.push(Candidate {
            p,
            effect,
            place,
            stretch,
        });
    }

    /// The one with the largest effect of those that have raised an alarm.
    pub(super) fn worst(&self, is_alarm: impl Fn(usize) -> bool) -> Option<&Stretch> {
        let raised = self.0.iter().filter(|candidate| is_alarm(candidate.place));
        let worst = raised.max_by(|a, b| a.effect.total_cmp(&b.effect));
        worst.map(|candidate| &candidate.stretch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::monitor::{WindowTest, holm};

    #[test]
    fn the_worst_is_that_of_all_windows() {
        let reference: Vec<f64> = (0..200).map(|i| f64::from(i * 7919 % 211)).collect();
        // Windows of several lengths and shifts.
        let windows = (1..60).map(|k: i32| {
            let n = 5 + k * 37 % 90;
            let shift = f64::from(k * 53 % 97);
            (0..n)
                .map(|i| f64::from(i * 131 % 211) + shift)
                .collect::<Vec<f64>>()
        });
        let differences: Vec<Difference> = windows
            .map(|window| {
                WindowTest::Welch
                    .compare(&reference, &window)
                    .expect("two samples")
            })
            .collect();
        let mut candidates = Candidates::default();
        for (place, difference) in differences.iter().enumerate() {
            candidates.add(difference, place, Stretch::new(1));
        }
        assert!(candidates.0.len() < 20, "{}", candidates.0.len());
        let p = holm(&differences.iter().map(|d| d.p).collect::<Vec<_>>());
        for alpha in [1e-12, 1e-6, 1e-3, 0.05] {
            let alarms = differences
                .iter()
                .zip(&p)
                .map(|(d, p)| d.is_alarm(*p, alpha, 0.2));
            let alarms: Vec<bool> = alarms.collect();
            let effect = |place: &usize| differences[*place].cohens_d.abs();
            let all = (0..differences.len()).filter(|place| alarms[*place]);
            let expected = all.map(|place| effect(&place)).fold(0.0, f64::max);
            let kept = candidates.0.iter().filter(|c| alarms[c.place]);
            let found = kept.map(|c| c.effect).fold(0.0, f64::max);
            assert!(
                (found - expected).abs() < 1e-15,
                "{alpha}: {found} {expected}"
            );
            assert_eq!(
                candidates.worst(|place| alarms[place]).is_some(),
                expected > 0.0
            );
        }
    }
}
