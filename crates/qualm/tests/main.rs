//! The library through its public interface, one room a module. What counts allocations has a
//! process of its own: `hostile`.

mod common;
mod contract;
mod device;
mod diagnostics;
mod golden;
mod offsets;
mod ood;
mod real_data;
mod resume;
mod scales;
mod version_1;
mod views;
