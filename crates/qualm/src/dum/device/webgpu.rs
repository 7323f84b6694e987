//! Opening a graphics card through wgpu: Vulkan, on Macs Metal.
//!
//! Burn would do so at the first tensor and panic where there is none, so we ask first and
//! hand over what we got.

use std::sync::OnceLock;

use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
use burn_wgpu::{RuntimeOptions, Wgpu, WgpuDevice, WgpuSetup, init_device};
use wgpu::{Adapter, DeviceDescriptor, Features, Instance, InstanceDescriptor, MemoryHints};
use wgpu::{PowerPreference, Queue, RequestAdapterOptions};

use super::card::{Card, Memory};
use crate::device::{Device, DeviceError};

/// What one process keeps of the card it opened.
#[derive(Debug, Clone)]
struct Opened {
    device: WgpuDevice,
    name: String,
    /// Bytes that one array may have.
    largest: u64,
}

/// The card that wgpu prefers, opened once a process.
pub(super) fn open() -> Result<Card<Wgpu>, DeviceError> {
    static OPENED: OnceLock<Result<Opened, DeviceError>> = OnceLock::new();
    let opened = OPENED.get_or_init(|| burn_tensor::read_sync(request()));
    let Opened {
        device,
        name,
        largest,
    } = opened.clone()?;
    Ok(Card {
        kind: Device::Wgpu,
        device,
        name,
        memory: Memory {
            free: u64::MAX,
            array: largest,
        },
    })
}

async fn request() -> Result<Opened, DeviceError> {
    let missing = |reason: String| DeviceError::NoHardware {
        device: Device::Wgpu,
        reason,
    };
    let backend = AutoGraphicsApi::backend();
    let instance = Instance::new(InstanceDescriptor {
        backends: backend.into(),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapter = instance
        .request_adapter(&RequestAdapterOptions {
            power_preference: PowerPreference::HighPerformance,
            ..RequestAdapterOptions::default()
        })
        .await
        .map_err(|error| missing(format!("{backend:?}: {error}")))?;
    let (device, queue) = connect(&adapter)
        .await
        .map_err(|error| missing(format!("{backend:?}: {error}")))?;
    let limits = device.limits();
    let name = adapter.get_info().name;
    let setup = WgpuSetup {
        instance,
        adapter,
        device,
        queue,
        backend,
    };
    Ok(Opened {
        device: init_device(setup, RuntimeOptions::default()),
        name,
        largest: limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size),
    })
}

/// All that the adapter can do, but for what wgpu calls experimental.
async fn connect(adapter: &Adapter) -> Result<(wgpu::Device, Queue), wgpu::RequestDeviceError> {
    let unwanted = Features::MAPPABLE_PRIMARY_BUFFERS | Features::all_experimental_mask();
    let descriptor = DeviceDescriptor {
        required_features: adapter.features().difference(unwanted),
        required_limits: adapter.limits(),
        memory_hints: MemoryHints::MemoryUsage,
        ..DeviceDescriptor::default()
    };
    adapter.request_device(&descriptor).await
}
