//! The parts of the sequential test beside NumPy (`monitor.py`) and beside nonconform
//! (`martingales.py`).

use serde::Deserialize;

use super::evidence::{Evidence, Guarantee};
use super::martingale::{Expert, Jumper};
use super::ranks::Ranks;

#[derive(Deserialize)]
struct Golden {
    reference: Vec<f64>,
    stream: Vec<f64>,
    uniforms: Vec<f64>,
    p: Vec<f64>,
    growth: Vec<f64>,
    log10_ever: Vec<f64>,
    log10_run_length: Vec<f64>,
}

fn close(found: f64, expected: f64, what: &str, row: usize) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(
        error < 1e-12,
        "{what} of row {row}: {found}, expected {expected}"
    );
}

#[test]
fn ranks_bets_and_evidence_are_those_of_numpy() {
    let golden: Golden = serde_json::from_str(include_str!("monitor.json")).unwrap();
    let mut ranks = Ranks::new(&golden.reference).unwrap();
    let mut jumper = Jumper::default();
    let guarantees = [
        Guarantee::Ever { alpha: 0.05 },
        Guarantee::RunLength { rows: 1e6 },
    ];
    let mut evidence = guarantees.map(|_| (Evidence::new(), Jumper::default()));
    assert_eq!(golden.stream.len(), 120);
    for (i, (&score, &u)) in golden.stream.iter().zip(&golden.uniforms).enumerate() {
        let p = ranks.p_value(score, u);
        close(p, golden.p[i], "p", i);
        close(jumper.bet(p, 0.0), golden.growth[i], "growth", i);
        let expected = [golden.log10_ever[i], golden.log10_run_length[i]];
        for (((evidence, jumper), guarantee), expected) in
            evidence.iter_mut().zip(guarantees).zip(expected)
        {
            let found = evidence.bet(jumper, p, guarantee) / std::f64::consts::LN_10;
            close(found, expected, "evidence", i);
        }
    }
}

#[derive(Deserialize)]
struct Peer {
    reference: Vec<f64>,
    stream: Vec<f64>,
    uniforms: Vec<f64>,
    p: Vec<f64>,
    log_power: Vec<f64>,
    log_jumper: Vec<f64>,
    log_power_shiryaev_roberts: Vec<f64>,
}

/// Its power martingale and its simple jumper are among ours; its `1 + e (p - 1/2)` is `1 + e/2 (2p - 1)`.
#[test]
fn p_values_and_martingales_are_those_of_nonconform() {
    const ROOT: Expert = Expert::Beta {
        a: 0.5,
        b: 1.0,
        k: 0.5,
    };
    const POWER: [(Expert, f64); 1] = [(ROOT, 1.0)];
    const SIMPLE: [(Expert, f64); 3] = [
        (Expert::Linear(-0.5), 1.0),
        (Expert::Constant, 1.0),
        (Expert::Linear(0.5), 1.0),
    ];
    let golden: Peer = serde_json::from_str(include_str!("martingales.json")).unwrap();
    let mut ranks = Ranks::new(&golden.reference).unwrap();
    let mut power = Jumper::of(&POWER, 0.0);
    let mut simple = Jumper::of(&SIMPLE, 0.01);
    let (mut ln_power, mut ln_simple) = (0.0, 0.0);
    let mut shiryaev_roberts = (Evidence::new(), Jumper::of(&POWER, 0.0));
    assert_eq!(golden.stream.len(), 400);
    for (i, (&score, &u)) in golden.stream.iter().zip(&golden.uniforms).enumerate() {
        let p = ranks.p_value(score, u);
        assert!(p.to_bits() == golden.p[i].to_bits(), "p of row {i}");
        ln_power += power.bet(p, 0.0).ln();
        ln_simple += simple.bet(p, 0.0).ln();
        close(ln_power, golden.log_power[i], "power martingale", i);
        close(ln_simple, golden.log_jumper[i], "simple jumper", i);
        let (evidence, jumper) = &mut shiryaev_roberts;
        let found = evidence.bet(jumper, p, Guarantee::RunLength { rows: 1e6 });
        close(found, golden.log_power_shiryaev_roberts[i], "R", i);
    }
}
