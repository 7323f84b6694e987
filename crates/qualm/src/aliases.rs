//! The other spelling of a key: British where the key is American, and the other way round.
//!
//! Words that are values (`standardize` for `standardise`) have their aliases in the enums that
//! read them. What is written, to a model file or as JSON, is always the canonical spelling.

use serde::de::Error;
use serde_json::{Map, Value};

/// The canonical spelling of a key: `centre` for `center`, `n_neighbors` for `n_neighbours`, any
/// other key itself.
pub(crate) fn canonical_key(key: &str) -> &str {
    match key {
        "center" => "centre",
        "n_neighbours" => "n_neighbors",
        other => other,
    }
}

/// The same keys and values with every key in the spelling that `spelling` gives it.
///
/// # Errors
/// When a key is there in both spellings.
pub(crate) fn canonical_keys(
    keys: Map<String, Value>,
    spelling: impl for<'a> Fn(&'a str) -> &'a str,
) -> serde_json::Result<Map<String, Value>> {
    let mut canonical = Map::new();
    for (key, value) in keys {
        let name = spelling(&key).to_owned();
        if canonical.insert(name.clone(), value).is_some() {
            let message = format!("the key `{name}` is given in both of its spellings");
            return Err(serde_json::Error::custom(message));
        }
    }
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Spec;

    #[test]
    fn every_canonical_key_is_a_key_and_stays_itself() {
        let mut keys: Vec<String> = Vec::new();
        for detector in Spec::DETECTORS {
            let spec = Spec::preset(detector, "default").unwrap();
            keys.extend(spec.keys().keys().cloned());
        }
        for key in &keys {
            assert_eq!(canonical_key(key), key);
        }
        for alias in ["center", "n_neighbours"] {
            assert!(
                keys.iter().any(|key| key == canonical_key(alias)),
                "{alias}"
            );
        }
    }

    /// All keys of a Spec after one of them is set, which [`Spec::with`] and reading a Spec must
    /// agree on.
    fn read(detector: &str, key: &str, value: Value) -> Map<String, Value> {
        let spec = Spec::preset(detector, "default").unwrap();
        let mut keys = spec.keys();
        keys.remove(canonical_key(key));
        keys.insert(key.to_owned(), value.clone());
        let read: Spec = serde_json::from_value(Value::Object(keys)).unwrap();
        let set = spec.with(Map::from_iter([(key.to_owned(), value)]));
        assert_eq!(read, set.unwrap());
        read.keys()
    }

    #[test]
    fn both_spellings_are_read_and_one_is_written() {
        assert_eq!(read("dum", "center", json!(true))["centre"], json!(true));
        for (detector, key) in [("dum", "space"), ("dum", "scaling"), ("knn", "space")] {
            let keys = read(detector, key, json!("standardize"));
            assert_eq!(keys[key], json!("standardise"), "{detector} {key}");
        }
        for detector in ["knn", "lof", "abod"] {
            let keys = read(detector, "n_neighbours", json!(7));
            assert_eq!(keys["n_neighbors"], json!(7), "{detector}");
        }
    }

    #[test]
    fn both_spellings_at_once_are_refused() {
        let keys = json!({"center": true, "centre": false});
        let spec = Spec::preset("dum", "default").unwrap();
        let error = spec.with(keys.as_object().unwrap().clone()).unwrap_err();
        assert!(error.to_string().contains("'centre'"), "{error}");
    }
}
