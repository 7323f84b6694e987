//! The version that every report carries.

/// Version of the fields of all reports. It grows when a field changes its meaning or goes;
/// a new field alone leaves it as it is.
pub const REPORT_VERSION: u32 = 1;
