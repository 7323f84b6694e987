//! How much memory this process can still get.

use sysinfo::{MemoryRefreshKind, System};

use crate::error::{Error, Result};

/// Refuses what cannot fit, before it is begun: an allocation that fails later would end
/// the whole process.
///
/// # Errors
/// [`Error::Memory`]. Where the system does not tell what is free, nothing is refused.
pub fn check(needed: u64) -> Result<()> {
    match available() {
        Some(available) if needed > available => Err(Error::Memory { needed, available }),
        _ => Ok(()),
    }
}

/// Bytes free for this process: of the machine, and of its control group where that has
/// a limit.
fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let of_machine = system.available_memory();
    let of_group = system.cgroup_limits().map_or(u64::MAX, |c| c.free_memory);
    (of_machine > 0).then_some(of_machine.min(of_group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_is_granted_and_everything_is_refused() {
        assert!(check(1).is_ok());
        if available().is_some() {
            assert!(matches!(check(u64::MAX), Err(Error::Memory { .. })));
        }
    }
}
