//! From preset, configuration file and `--set` to a Spec; the later wins.

use std::path::Path;

use anyhow::{Context, Result, bail};
use qualm::{Error, Spec};
use serde_json::{Map, Value};

use crate::args::Fit;

/// Keys and values that a flag gives.
///
/// # Errors
/// On what is no pair of the two.
pub(crate) fn pairs(flag: &str, pairs: &[String]) -> Result<Map<String, Value>> {
    let mut keys = Map::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("{flag} {pair}: expected KEY=VALUE, such as {flag} epochs=50");
        };
        if key.trim().is_empty() {
            bail!("{flag} {pair}: no key before the '='; expected KEY=VALUE");
        }
        keys.insert(key.trim().to_owned(), value_of(value.trim()));
    }
    Ok(keys)
}

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) spec: Spec,
    /// The preset that the Spec began with.
    pub(crate) preset: String,
}

impl Config {
    /// Reads the flags and the configuration file.
    ///
    /// # Errors
    /// On an unknown detector, preset or key, a value out of range, and a device that is not
    /// there or that the detector cannot use.
    pub(crate) fn new(args: &Fit) -> Result<Self> {
        let mut keys = args.config.as_deref().map_or(Ok(Map::new()), read)?;
        keys.extend(pairs("--set", &args.set)?);
        if args.clean {
            let set = args.set.iter().filter_map(|pair| pair.split_once('='));
            let mut set = set.filter(|(key, _)| key.trim() == "reference");
            let clean = value_of("clean");
            if let Some((_, other)) = set.find(|(_, value)| value_of(value.trim()) != clean) {
                bail!(
                    "--clean and --set reference={other}: expected one of them; --clean is --set \
                     reference=clean"
                );
            }
            keys.insert("reference".to_owned(), clean);
        }
        let mut word = |name: &str, flag: Option<&String>| -> Result<Option<String>> {
            let in_file = keys.remove(name);
            match (flag, in_file) {
                (Some(flag), _) => Ok(Some(flag.clone())),
                (None, Some(Value::String(word))) => Ok(Some(word)),
                (None, Some(other)) => bail!("{name} = {other}: expected a name"),
                (None, None) => Ok(None),
            }
        };
        let detector = word("detector", args.detector.as_ref())?;
        let detector = detector.as_deref().unwrap_or("dum");
        let preset = word("preset", args.preset.as_ref())?;
        let preset = preset.unwrap_or_else(|| "default".to_owned());
        let mut spec = Spec::preset(detector, &preset)?.with(keys)?;
        if let Some(device) = args.device {
            spec.set_device(device).map_err(Error::from)?;
        }
        spec.device().check()?;
        Ok(Self { spec, preset })
    }
}

/// A configuration file as JSON keys.
pub(crate) fn read(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot read", path.display()))?;
    let table: toml::Table = text
        .parse()
        .with_context(|| format!("{}: not a TOML file of keys and values", path.display()))?;
    match serde_json::to_value(table).with_context(|| format!("{}", path.display()))? {
        Value::Object(keys) => Ok(keys),
        _ => Ok(Map::new()),
    }
}

/// A value as TOML reads it; a bare word is a string.
fn value_of(text: &str) -> Value {
    let table = format!("value = {text}").parse::<toml::Table>().ok();
    let value = table
        .filter(|t| t.len() == 1)
        .and_then(|mut t| t.remove("value"));
    value
        .and_then(|v| serde_json::to_value(v).ok())
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_words_or_truths() {
        assert_eq!(value_of("3"), Value::from(3));
        assert_eq!(value_of("1e-3"), Value::from(1e-3));
        assert_eq!(value_of("true"), Value::from(true));
        assert_eq!(value_of("half"), Value::from("half"));
        assert_eq!(value_of("\"half\""), Value::from("half"));
    }
}
