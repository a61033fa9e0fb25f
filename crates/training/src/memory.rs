//! How much memory this process has taken, and how it keeps what it has.

/// Tells the C library to keep freed memory for the next allocation instead of giving it back to the system.
///
/// Activations are tens of megabytes each. By default every one of them is mapped, cleared page by page and unmapped
/// again, which takes a third of the time of a forward pass. The price: the process stays as large as it once was.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_freed() {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // From glibc's malloc.h.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    const M_ARENA_MAX: c_int = -8;
    const BYTES: c_int = 1 << 30;
    // SAFETY: the parameters are glibc's own, it takes its lock, and a value that it refuses changes nothing.
    unsafe {
        mallopt(M_MMAP_THRESHOLD, BYTES);
        mallopt(M_TRIM_THRESHOLD, c_int::MAX);
        // Threads' own arenas are too small for an activation, and do not keep it.
        mallopt(M_ARENA_MAX, 1);
    }
}

/// Other C libraries have no such setting.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}

/// Peak resident memory of this process in bytes; 0 where the system does not tell.
pub fn peak_resident() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| peak_of(&status)).unwrap_or(0)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_file() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak_of("Name:\tx\n"), None);
    }
}
