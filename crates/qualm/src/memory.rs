//! How much memory this process can still get.

use sysinfo::{MemoryRefreshKind, System};

use crate::error::{Error, Result};

/// Refuses what cannot fit, before it is begun: an allocation that fails later would end
/// the whole process. `lighter` says what would take less, such as `lower hidden`.
///
/// # Errors
/// [`Error::Memory`]. Where the system does not tell what is free, nothing is refused.
pub fn check(needed: u64, lighter: impl FnOnce() -> Vec<String>) -> Result<()> {
    match available() {
        Some(available) if needed > available => Err(Error::Memory {
            needed,
            available,
            lighter: lighter(),
        }),
        _ => Ok(()),
    }
}

/// Bytes free for this process: of the machine, of its control group where that has a limit,
/// and under its own limits.
fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let of_machine = system.available_memory();
    let of_group = system.cgroup_limits().map_or(u64::MAX, |c| c.free_memory);
    let read = |name| std::fs::read_to_string(name).unwrap_or_default();
    // Only Linux has these files; elsewhere there is nothing to read.
    let of_process = below_limits(&read("/proc/self/limits"), &read("/proc/self/status"));
    (of_machine > 0).then_some(of_machine.min(of_group).min(of_process))
}

/// What the limits of a process (`ulimit -v`, `ulimit -d`) leave of what it uses, from the two
/// files in which Linux says both; the most there can be without a limit.
fn below_limits(limits: &str, status: &str) -> u64 {
    let number = |text: &str, name| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    [
        ("Max address space", "VmSize:"),
        ("Max data size", "VmData:"),
    ]
    .into_iter()
    .filter_map(|(limit, used)| {
        let used = number(status, used).unwrap_or(0) << 10;
        Some(number(limits, limit)?.saturating_sub(used))
    })
    .min()
    .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_the_process_count() {
        let status = "Name:\tqualm\nVmSize:\t  1024 kB\nVmData:\t     1 kB\n";
        let limits = |space: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max data size             unlimited            unlimited            bytes\n\
                 Max address space         {space}              unlimited            bytes\n"
            )
        };
        assert_eq!(below_limits(&limits("3145728"), status), 2 << 20);
        assert_eq!(below_limits(&limits("unlimited"), status), u64::MAX);
        assert_eq!(below_limits(&limits("1000"), status), 0);
        assert_eq!(below_limits("", ""), u64::MAX);
    }

    #[test]
    fn a_little_is_granted_and_everything_is_refused() {
        assert!(check(1, Vec::new).is_ok());
        if available().is_some() {
            assert!(matches!(
                check(u64::MAX, Vec::new),
                Err(Error::Memory { .. })
            ));
        }
    }
}
