//! The table behind an enum of Specs.

/// Makes an enum of Specs, and everything that enumerates its detectors, from one table. A line is
/// the detector's name, its variant and hyper-parameters, and what it measures; the trait after
/// `of` is what the hyper-parameters of all of them are.
macro_rules! registry {
    (
        $(#[$attribute:meta])*
        pub enum $Registry:ident of $Parameters:path {
            $($name:literal $variant:ident($spec:ty) $summary:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(tag = "detector")]
        #[non_exhaustive]
        pub enum $Registry {
            $(#[doc = $summary] #[serde(rename = $name)] $variant($spec),)+
        }

        impl $Registry {
            /// Names of all detectors.
            pub const DETECTORS: &[&str] = &[$($name),+];

            /// A detector with its default hyper-parameters.
            ///
            /// # Errors
            /// [`Error::UnknownDetector`](crate::Error::UnknownDetector).
            pub fn new(detector: &str) -> $crate::error::Result<Self> {
                match detector {
                    $($name => Ok(Self::$variant(<$spec>::default())),)+
                    _ => Err($crate::error::Error::UnknownDetector {
                        found: detector.to_owned(),
                        known: Self::DETECTORS,
                    }),
                }
            }

            /// The detector's name.
            #[must_use]
            pub fn detector(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            /// What the detector measures, in a few words.
            #[must_use]
            pub fn summary(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $summary,)+
                }
            }

            /// The hyper-parameters of the detector.
            #[must_use]
            pub fn hyper_parameters(&self) -> &dyn $Parameters {
                match self {
                    $(Self::$variant(spec) => spec,)+
                }
            }

            pub(crate) fn hyper_parameters_mut(&mut self) -> &mut dyn $Parameters {
                match self {
                    $(Self::$variant(spec) => spec,)+
                }
            }
        }
    };
}

pub(crate) use registry;
