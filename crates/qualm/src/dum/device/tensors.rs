//! Burn's tensors as this crate uses them: float32, in from slices and out to vectors, and
//! their matrix product.

use std::fmt;

use burn_backend::{Backend, DType};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::matmul::init_matmul_output;
use burn_cubecl::tensor::CubeTensor;
use burn_tensor::{Tensor, TensorData, TensorPrimitive};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::matmul::routines::BlueprintStrategy;
use cubek::std::InputBinding;

/// What a device says when it fails.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }

    pub(super) fn reason(self) -> String {
        self.0
    }
}

/// A Burn backend whose kernels are compiled for a device at run time.
pub(super) trait Accelerator:
    Backend<FloatTensorPrimitive = CubeTensor<Self::Runtime>> + Send + Sync
{
    /// Where its kernels run.
    type Runtime: CubeRuntime;
}

#[cfg(feature = "cuda")]
impl Accelerator for burn_cuda::Cuda {
    type Runtime = burn_cubecl::cubecl::cuda::CudaRuntime;
}

#[cfg(feature = "wgpu")]
impl Accelerator for burn_wgpu::Wgpu {
    type Runtime = burn_wgpu::WgpuRuntime;
}

/// Copies `shape` values, row-major, to the device.
pub(super) fn upload<B: Accelerator, const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Copies a tensor's values, row-major, back.
///
/// # Errors
/// Whatever went wrong on the device since the last copy.
pub(super) fn download<B: Accelerator, const D: usize>(
    tensor: Tensor<B, D>,
) -> Result<Vec<f32>, Failure> {
    let data = tensor.try_into_data().map_err(Failure::of)?;
    data.into_vec().map_err(Failure::of)
}

/// `a b` in full float32. Burn's own product would use the 10-bit mantissas of TF32 where
/// the card has them, which do not keep parity with the processor.
///
/// # Shapes
/// `a`: `(m, k)`; `b`: `(k, n)`; returns `(m, n)`.
pub(super) fn product<B: Accelerator>(
    a: Tensor<B, 2>,
    b: Tensor<B, 2>,
) -> Result<Tensor<B, 2>, Failure> {
    let float = DType::F32.into();
    let (a, b) = (a.into_primitive().tensor(), b.into_primitive().tensor());
    let out = init_matmul_output(&a, &b, DType::F32);
    let mut elements = MatmulElems::from_globals(&MatmulGlobalElems {
        lhs: float,
        rhs: float,
        out: float,
    });
    launch_ref(
        &Strategy::SimpleUnit(BlueprintStrategy::default()),
        &out.client.clone(),
        InputBinding::new(a.binding(), float),
        InputBinding::new(b.binding(), float),
        out.clone().binding(),
        &mut elements,
    )
    .map_err(|error| Failure::of(format!("{error:?}")))?;
    Ok(Tensor::from_primitive(TensorPrimitive::Float(out)))
}
