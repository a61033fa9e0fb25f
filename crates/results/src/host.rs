//! This machine.

/// Its name, as the system has it.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
