//! Any bytes for the model reader: an error or a model that works, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qualm::Rows;
use qualm::{Error, Fitted};

fuzz_target!(|bytes: &[u8]| {
    let Ok(fitted) = Fitted::from_bytes(bytes) else {
        return;
    };
    let row = vec![0.5; fitted.n_features()];
    let Ok(rows) = Rows::new(&row, row.len()) else {
        panic!("a model of no features was accepted");
    };
    match fitted.score(rows) {
        Ok(scores) => assert!(scores.iter().all(|score| score.is_finite())),
        Err(Error::ScoreNotFinite { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let Ok(bytes) = fitted.to_bytes() else {
        panic!("a model that was read cannot be written");
    };
    assert!(Fitted::from_bytes(&bytes).is_ok());
});
