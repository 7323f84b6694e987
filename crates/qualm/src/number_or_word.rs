//! Keys that are a number or one word.

/// Reads and writes an enum of two variants, a number and a word, as that number or that word.
///
/// `number_or_word!(Gamma, Value(f64), Scale = "scale", "expected a number or \"scale\"");`
macro_rules! number_or_word {
    ($type:ident, $number:ident($inner:ty), $variant:ident = $word:literal, $expected:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::$number(number) => serializer.serialize_some(number),
                    Self::$variant => serializer.serialize_str($word),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(untagged, expecting = $expected)]
                enum Either {
                    Number($inner),
                    Word(String),
                }
                match Either::deserialize(deserializer)? {
                    Either::Number(number) => Ok(Self::$number(number)),
                    Either::Word(word) if word == $word => Ok(Self::$variant),
                    Either::Word(_) => Err(serde::de::Error::custom($expected)),
                }
            }
        }
    };
}

pub(crate) use number_or_word;
