//! Where this process has its memory from, and how much it has taken.

use crate::shim;
use tch::Device;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    use std::ffi::c_char;
    use tikv_jemallocator::Jemalloc;

    /// Takes the C library's place in the whole process, libtorch's allocations included.
    #[global_allocator]
    static JEMALLOC: Jemalloc = Jemalloc;

    /// Read by jemalloc at its start: freed memory is kept for the next allocation instead of being given back to the system,
    /// in one place for all threads.
    ///
    /// Activations are tens of megabytes each. Mapped anew, every one of them is cleared page by page, which takes a third
    /// of the time of a forward pass. The price: the process stays as large as it once was.
    #[unsafe(no_mangle)]
    static malloc_conf: Option<&c_char> =
        // SAFETY: the first of the text's bytes, which ends with a zero and lives as long as the program.
        Some(unsafe { &*c"narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1".as_ptr() });
}

/// The most memory that this process has had so far, in bytes: its tensors' on a GPU, else its own; 0 where nobody tells.
pub fn peak(device: Device) -> u64 {
    match device {
        Device::Cuda(index) => shim::memory(index).map_or(0, |memory| memory.peak),
        _ => peak_resident(),
    }
}

/// Peak resident memory of this process in bytes; 0 where the system does not tell.
fn peak_resident() -> u64 {
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

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn libtorch_allocates_where_freed_memory_is_kept() {
        use std::ffi::{CStr, c_char, c_int, c_void};
        use std::ptr::null_mut;
        unsafe extern "C" {
            fn mallctl(
                name: *const c_char,
                old: *mut c_void,
                old_length: *mut usize,
                new: *mut c_void,
                new_length: usize,
            ) -> c_int;
        }
        fn ask<T: Default>(name: &CStr, about: Option<*mut c_void>) -> Option<T> {
            let (mut answer, mut length, mut about) = (T::default(), size_of::<T>(), about);
            let (new, new_length) = match &mut about {
                Some(pointer) => ((&raw mut *pointer).cast(), size_of::<*mut c_void>()),
                None => (null_mut(), 0),
            };
            // SAFETY: both places are as large as said, and jemalloc refuses what is of another size than it has.
            let failed = unsafe { mallctl(name.as_ptr(), (&raw mut answer).cast(), &mut length, new, new_length) };
            (failed == 0).then_some(answer)
        }
        let tensor = tch::Tensor::zeros([1 << 20], (tch::Kind::Float, tch::Device::Cpu));
        assert_eq!(ask::<u32>(c"arenas.lookup", Some(tensor.data_ptr())), Some(0), "the only arena");
        assert_eq!(ask::<isize>(c"opt.dirty_decay_ms", None), Some(-1));
    }

    #[test]
    fn the_peak_is_read_from_the_status_file() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak_of("Name:\tx\n"), None);
    }
}
