//! Residual networks, run by our own engine: nothing has to be installed.

use qualm::nn::resnet::{ImageSize, ResNet};

use super::error::EncoderError;
use super::keys::Keys;
use super::open::Description;
use super::prepare::Preparer;
use super::preprocessing::{InputSize, InputType, Layout, Pooling, Preprocessing};
use crate::image::Image;

/// Values of images prepared at once: 64 MiB of them.
const AT_ONCE: usize = 16 << 20;

/// A residual network with its preprocessing: images to rows.
#[derive(Debug)]
pub(crate) struct ResNetEncoder {
    network: ResNet,
    preparer: Preparer<f32>,
    size: ImageSize,
}

impl ResNetEncoder {
    /// The keys of the preprocessing that the engine fixes.
    pub(crate) fn keys() -> Keys {
        Keys {
            layout: Some(Layout::Nhwc),
            dtype: Some(InputType::Float32),
            ..Keys::default()
        }
    }

    /// # Errors
    /// [`EncoderError::Key`] for keys that only other encoders have.
    pub(crate) fn new(
        network: ResNet,
        p: &Preprocessing,
        origin: &str,
    ) -> Result<Self, EncoderError> {
        let refuse = |key, found: String, expected| EncoderError::Key {
            origin: origin.to_owned(),
            key,
            found,
            expected,
        };
        if p.dtype != InputType::Float32 {
            let found = format!("{:?}", p.dtype).to_lowercase();
            return Err(refuse("dtype", found, "'float32' for a ResNet"));
        }
        if let Some(output) = &p.output {
            return Err(refuse("output", output.clone(), "none: a ResNet has one"));
        }
        if p.pooling != Pooling::None {
            let found = format!("{:?}", p.pooling).to_lowercase();
            let expected = "'none': a ResNet averages its map itself";
            return Err(refuse("pooling", found, expected));
        }
        // The order of the axes is ours, whatever that of the training was.
        let ours = Preprocessing {
            layout: Layout::Nhwc,
            ..p.clone()
        };
        Ok(Self {
            preparer: Preparer::new(&ours, |value, _| value),
            size: ImageSize {
                rows: p.size.height,
                cols: p.size.width,
            },
            network,
        })
    }

    /// What goes in and what comes out.
    pub(crate) fn describe(&self, size: InputSize) -> Description {
        let architecture = self.network.architecture().to_string();
        Description {
            inputs: vec![format!(
                "images: float32 (?, {}, {}, 3)",
                size.height, size.width
            )],
            outputs: vec![format!("features: float32 (?, {})", self.network.width())],
            output: "features".to_owned(),
            runtime: "qualm".to_owned(),
            architecture,
        }
    }

    /// The network.
    pub(crate) fn network(&self) -> &ResNet {
        &self.network
    }

    /// Rows of images, `(images, width)`; of whole images, without a crop, if so.
    ///
    /// # Errors
    /// [`EncoderError::Resize`], and those of the engine.
    pub(crate) fn embed_into(
        &self,
        images: &[Image],
        whole: bool,
        out: &mut [f32],
    ) -> Result<(), crate::Error> {
        let each = self.size.rows * self.size.cols * 3;
        let at_once = (AT_ONCE / each).max(1);
        let mut values = vec![0.0; at_once.min(images.len()) * each];
        let outs = out.chunks_mut(at_once * self.network.width());
        for (images, out) in images.chunks(at_once).zip(outs) {
            let (values, _) = values.split_at_mut(images.len() * each);
            self.preparer.fill(images, whole, values)?;
            self.network.features_into(values, self.size, out)?;
        }
        Ok(())
    }
}
