//! Which vectors this processor has.

use std::sync::OnceLock;

/// Instruction sets that there are kernels for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// 32 registers of 16 values.
    Avx512,
    /// 16 registers of 8 values, with fused multiply-add.
    Avx2,
    /// What the compiler makes of arrays of 4.
    Portable,
}

impl Isa {
    /// Those that this processor has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }

    /// The best that this processor has. For measurements, `QUALM_CONV_ISA` set to `avx2` or
    /// `portable` asks for a lesser one in builds with the feature `internals`.
    pub(crate) fn detect() -> Self {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let available = Self::available();
            #[cfg(feature = "internals")]
            if let Ok(word) = std::env::var("QUALM_CONV_ISA") {
                let wanted = if word == "avx2" {
                    Self::Avx2
                } else {
                    Self::Portable
                };
                if available.contains(&wanted) {
                    return wanted;
                }
            }
            available[0]
        })
    }
}
