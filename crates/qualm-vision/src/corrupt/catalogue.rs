//! All corruptions, their names and groups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::picture::Scene;
use super::random::Random;

/// What a corruption does: from the pixels of a scene to those of `out`.
pub(super) type Apply = fn(&Scene<'_>, &mut Random, &mut [u8]);

/// A family of corruptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Noise of the sensor.
    Noise,
    /// Blurs.
    Blur,
    /// Weather in front of the lens.
    Weather,
    /// What processing does.
    Digital,
    /// The four that Hendrycks and Dietterich held out.
    HeldOut,
    /// The ten of Mintun et al.
    Bar,
    /// What deployments meet beyond these.
    Field,
}

/// Groups of groups, and what they are for.
const UNIONS: [(&str, &[Group]); 2] = [
    (
        "common",
        &[Group::Noise, Group::Blur, Group::Weather, Group::Digital],
    ),
    (
        "all",
        &[
            Group::Noise,
            Group::Blur,
            Group::Weather,
            Group::Digital,
            Group::HeldOut,
            Group::Bar,
            Group::Field,
        ],
    ),
];

impl Group {
    /// All groups.
    pub const ALL: [Self; 7] = [
        Self::Noise,
        Self::Blur,
        Self::Weather,
        Self::Digital,
        Self::HeldOut,
        Self::Bar,
        Self::Field,
    ];

    /// The name that [`Corruption::select`] reads.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::Weather => "weather",
            Self::Digital => "digital",
            Self::HeldOut => "held_out",
            Self::Bar => "bar",
            Self::Field => "field",
        }
    }
}

macro_rules! corruptions {
    ($($(#[doc = $doc:literal])+ $variant:ident $module:ident $group:ident;)*) => {
        /// A way in which images are damaged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Corruption {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Corruption {
            /// All of them: the fifteen, the four, the ten and the five.
            pub const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];

            /// The name, as in the published sets.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($module),)*
                }
            }

            /// Its family.
            #[must_use]
            pub fn group(self) -> Group {
                match self {
                    $(Self::$variant => Group::$group,)*
                }
            }

            pub(super) fn function(self) -> Apply {
                match self {
                    $(Self::$variant => super::$module::apply,)*
                }
            }
        }
    };
}

// The order is part of the promise that a seed keeps its meaning: append, never reorder.
corruptions! {
    /// A normal number added to each value.
    GaussianNoise gaussian_noise Noise;
    /// The noise of counted photons.
    ShotNoise shot_noise Noise;
    /// Some values black, some white.
    ImpulseNoise impulse_noise Noise;
    /// The image out of focus.
    DefocusBlur defocus_blur Blur;
    /// Pixels exchanged with near ones.
    GlassBlur glass_blur Blur;
    /// A moving camera.
    MotionBlur motion_blur Blur;
    /// A camera moving towards the scene.
    ZoomBlur zoom_blur Blur;
    /// Flakes blown along a line.
    Snow snow Weather;
    /// Ice on the window.
    Frost frost Weather;
    /// A cloud.
    Fog fog Weather;
    /// Overexposed.
    Brightness brightness Weather;
    /// Little contrast.
    Contrast contrast Digital;
    /// Stretched and shifted locally.
    ElasticTransform elastic_transform Digital;
    /// Large pixels.
    Pixelate pixelate Digital;
    /// Compressed too much.
    JpegCompression jpeg_compression Digital;
    /// Each value multiplied by a normal number.
    SpeckleNoise speckle_noise HeldOut;
    /// A Gaussian blur.
    GaussianBlur gaussian_blur HeldOut;
    /// Drops of water or mud on the lens.
    Spatter spatter HeldOut;
    /// Colours too weak or too strong.
    Saturate saturate HeldOut;
    /// Pixels lost where noise of high frequencies is low.
    BlueNoiseSample blue_noise_sample Bar;
    /// Noise of low frequencies.
    BrownishNoise brownish_noise Bar;
    /// Seen through moving water.
    CausticRefraction caustic_refraction Bar;
    /// Fields of a checkerboard made grey.
    CheckerboardCutout checkerboard_cutout Bar;
    /// Rings around a point.
    CocentricSineWaves cocentric_sine_waves Bar;
    /// Seen through a star, white around it.
    InverseSparkles inverse_sparkles Bar;
    /// Perlin's noise laid over the image.
    PerlinNoise perlin_noise Bar;
    /// Coloured waves laid over the image.
    PlasmaNoise plasma_noise Bar;
    /// One wave.
    SingleFrequencyGreyscale single_frequency_greyscale Bar;
    /// White stars.
    Sparkles sparkles Bar;
    /// Made smaller and larger again, with another filter than before.
    Rescale rescale Field;
    /// Exposed for too long or too short a time.
    Exposure exposure Field;
    /// The light of another colour.
    WhiteBalance white_balance Field;
    /// Turned by some degrees.
    Rotate rotate Field;
    /// Written again by another encoder.
    Reencode reencode Field;
}

impl Corruption {
    /// The number of the corruption, from 0.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The corruptions that a list names, in their own order: names of corruptions, of groups
    /// (`noise`, `blur`, `weather`, `digital`, `held_out`, `bar`, `field`), `common` for the first
    /// four of these, `all`; separated by commas.
    ///
    /// # Errors
    /// [`Error::UnknownCorruption`], with the nearest name.
    ///
    /// ```
    /// use qualm_vision::corrupt::Corruption;
    ///
    /// let chosen = Corruption::select("weather,pixelate")?;
    /// assert_eq!(chosen.len(), 5);
    /// assert!(Corruption::select("fogg").unwrap_err().to_string().contains("fog"));
    /// # Ok::<(), qualm_vision::Error>(())
    /// ```
    pub fn select(list: &str) -> Result<Vec<Self>> {
        let mut chosen = Vec::new();
        for name in list.split(',').map(str::trim) {
            let union = UNIONS.iter().find(|(union, _)| *union == name);
            let single = Group::ALL.into_iter().find(|group| group.name() == name);
            if let Some((_, groups)) = union {
                let within = Self::ALL
                    .into_iter()
                    .filter(|c| groups.contains(&c.group()));
                chosen.extend(within);
            } else if let Some(group) = single {
                chosen.extend(Self::ALL.into_iter().filter(|c| c.group() == group));
            } else {
                chosen.push(name.parse()?);
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
        Ok(chosen)
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Corruption {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|c| c.name() == name);
        found.ok_or_else(|| Error::UnknownCorruption {
            found: name.to_owned(),
            nearest: nearest(name),
        })
    }
}

/// The known name that differs from a word in the fewest letters.
fn nearest(word: &str) -> &'static str {
    let corruptions = Corruption::ALL.into_iter().map(Corruption::name);
    let groups = Group::ALL.into_iter().map(Group::name);
    let unions = UNIONS.iter().map(|(name, _)| *name);
    let names = corruptions.chain(groups).chain(unions);
    names
        .min_by_key(|name| strsim::osa_distance(word, name))
        .unwrap_or("all")
}
