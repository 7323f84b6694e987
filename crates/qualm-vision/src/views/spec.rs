//! The parameters of views, every one a key.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use qualm::Error::{InvalidKey, InvalidValue};
use qualm::error::Names;

use crate::error::{Error, Result};

/// The largest side of a view.
const LARGEST: u32 = 4096;
/// Up to this size the views are those of the paper for CIFAR-10: half the change of colours, and
/// no blur.
const SMALL: u32 = 64;

/// The parameters of random views.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// Side of a view, in pixels: 1 to 4096.
    pub size: u32,
    /// Least and largest part of the image's area that a crop takes; above 0, at most 1.
    pub crop_area: [f64; 2],
    /// Least and largest ratio of a crop's width to its height; its logarithm is uniform.
    pub crop_aspect: [f64; 2],
    /// Probability of a flip from left to right.
    pub flip: f64,
    /// Probability that brightness, contrast, saturation and hue are changed.
    pub jitter: f64,
    /// Brightness is multiplied by a number from 1 - b (but not below 0) to 1 + b.
    pub brightness: f64,
    /// The same for contrast.
    pub contrast: f64,
    /// The same for saturation.
    pub saturation: f64,
    /// The hue is turned by up to this part of the circle, either way; 0 to 0.5.
    pub hue: f64,
    /// Probability that the view is made grey.
    pub grey: f64,
    /// Probability that the view is blurred.
    pub blur: f64,
    /// Width of the blur's kernel as a part of `size`, brought to an odd number of pixels.
    pub blur_kernel: f64,
    /// Least and largest standard deviation of the blur, in pixels; above 0.
    pub blur_sigma: [f64; 2],
}

impl ViewSpec {
    /// `SimCLR`'s parameters for views of a size.
    ///
    /// Above 64 pixels those of the paper for `ImageNet` (appendix A): colour strength 1, a blur half
    /// of the time. Up to 64 pixels those for CIFAR-10 (appendix B.9): strength 0.5, no blur.
    #[must_use]
    pub fn simclr(size: u32) -> Self {
        let small = size <= SMALL;
        let strength = if small { 0.5 } else { 1.0 };
        Self {
            size,
            crop_area: [0.08, 1.0],
            crop_aspect: [3.0 / 4.0, 4.0 / 3.0],
            flip: 0.5,
            jitter: 0.8,
            brightness: 0.8 * strength,
            contrast: 0.8 * strength,
            saturation: 0.8 * strength,
            hue: 0.2 * strength,
            grey: 0.2,
            blur: if small { 0.0 } else { 0.5 },
            blur_kernel: 0.1,
            blur_sigma: [0.1, 2.0],
        }
    }

    /// The same parameters with some keys set to other values, all of them validated.
    ///
    /// # Errors
    /// [`Error::UnknownViewKey`], [`qualm::Error::InvalidValue`] on a value of the wrong type,
    /// [`qualm::Error::InvalidKey`] on one out of range.
    ///
    /// ```
    /// use qualm_vision::views::ViewSpec;
    ///
    /// let keys = [("hue".to_owned(), 0.0.into())].into_iter().collect();
    /// assert_eq!(ViewSpec::simclr(32).with(keys)?.hue, 0.0);
    /// # Ok::<(), qualm_vision::Error>(())
    /// ```
    pub fn with(&self, keys: Map<String, Value>) -> Result<Self> {
        let mut spec = self.clone();
        for (key, value) in keys {
            let mut all = spec.keys();
            if !all.contains_key(&key) {
                let known = Names(all.into_iter().map(|(key, _)| key).collect());
                return Err(Error::UnknownViewKey { key, known });
            }
            all.insert(key.clone(), value.clone());
            let value = value.to_string();
            spec = serde_json::from_value(Value::Object(all)).map_err(|source| InvalidValue {
                key,
                value,
                source,
            })?;
        }
        spec.validate()?;
        Ok(spec)
    }

    /// All keys and their values.
    #[must_use]
    pub fn keys(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => keys,
            // A struct of numbers is an object.
            _ => Map::new(),
        }
    }

    /// Checks every parameter.
    ///
    /// # Errors
    /// [`qualm::Error::InvalidKey`] naming the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, key, value: String, expected| {
            if fits {
                return Ok(());
            }
            Err(InvalidKey {
                key,
                value,
                expected,
            })
        };
        let in_size = (1..=LARGEST).contains(&self.size);
        check(in_size, "size", self.size.to_string(), "1 to 4096")?;
        for (key, range, most, expected) in [
            (
                "crop_area",
                self.crop_area,
                1.0,
                "two numbers, the first above 0 and at most the second, which is at most 1",
            ),
            (
                "crop_aspect",
                self.crop_aspect,
                1e3,
                "two numbers, the first above 0 and at most the second, which is at most 1000",
            ),
            (
                "blur_sigma",
                self.blur_sigma,
                1e3,
                "two numbers, the first above 0 and at most the second, which is at most 1000",
            ),
        ] {
            let [least, largest] = range;
            let fits = least > 0.0 && least <= largest && largest <= most;
            check(fits, key, format!("{range:?}"), expected)?;
        }
        for (key, value, most, expected) in [
            ("flip", self.flip, 1.0, "0 to 1"),
            ("jitter", self.jitter, 1.0, "0 to 1"),
            ("brightness", self.brightness, 1e3, "0 to 1000"),
            ("contrast", self.contrast, 1e3, "0 to 1000"),
            ("saturation", self.saturation, 1e3, "0 to 1000"),
            ("hue", self.hue, 0.5, "0 to 0.5"),
            ("grey", self.grey, 1.0, "0 to 1"),
            ("blur", self.blur, 1.0, "0 to 1"),
            ("blur_kernel", self.blur_kernel, 1.0, "0 to 1"),
        ] {
            check(
                (0.0..=most).contains(&value),
                key,
                value.to_string(),
                expected,
            )?;
        }
        // The border is mirrored, which needs as many pixels.
        let kernel = self.blur == 0.0 || self.blur_radius() < self.size as usize;
        let expected = "a kernel of fewer than 2 x size pixels";
        check(
            kernel,
            "blur_kernel",
            self.blur_kernel.to_string(),
            expected,
        )?;
        Ok(())
    }

    /// Pixels of the blur's kernel to either side of its middle: half of the width that is asked
    /// for, rounded down twice, as in the code of the paper.
    #[must_use]
    pub fn blur_radius(&self) -> usize {
        // A tenth of 30 is a little above 3 in binary: not 2.
        ((self.blur_kernel * f64::from(self.size) + 1e-9) as usize) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_paper() {
        let cifar = ViewSpec::simclr(32);
        assert_eq!((cifar.brightness, cifar.hue, cifar.blur), (0.4, 0.1, 0.0));
        let imagenet = ViewSpec::simclr(224);
        assert_eq!(
            (imagenet.saturation, imagenet.hue, imagenet.blur),
            (0.8, 0.2, 0.5)
        );
        // A kernel of 23 pixels.
        assert_eq!(imagenet.blur_radius(), 11);
        cifar.validate().unwrap();
        imagenet.validate().unwrap();
    }

    #[test]
    fn every_key_is_checked_by_name() {
        let spec = ViewSpec::simclr(224);
        let keys = spec.keys();
        assert_eq!(keys.len(), 13);
        for (key, value) in keys {
            let wrong = if value.is_array() {
                vec![-1.0, 2.0].into()
            } else {
                (-1).into()
            };
            let refused = spec.with(Map::from_iter([(key.clone(), wrong)]));
            let message = refused.unwrap_err().to_string();
            assert!(message.starts_with(&format!("{key} = ")), "{message}");
        }
        let refused = spec.with(Map::from_iter([("blurr".to_owned(), 1.into())]));
        let message = refused.unwrap_err().to_string();
        assert!(
            message.starts_with("views have no key 'blurr'; they have 'blur'"),
            "{message}"
        );
        let whole = spec.with(Map::from_iter([("blur_kernel".to_owned(), 1.into())]));
        assert_eq!(whole.unwrap().blur_radius(), 112);
    }
}
