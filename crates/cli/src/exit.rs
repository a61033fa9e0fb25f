//! What a command comes to: its exit code, and which errors are the input's fault.

use frostline_store::StoreError;

/// What a command has come to, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Error = 1,
    WrongInput = 2,
    SomeFailed = 3,
    Interrupted = 130,
}

/// An error that is the input's fault, not the program's.
#[derive(Debug)]
struct WrongInput(String);

impl std::fmt::Display for WrongInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongInput {}

pub(crate) fn wrong_input(message: impl ToString) -> anyhow::Error {
    anyhow::Error::new(WrongInput(message.to_string()))
}

impl Exit {
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        use StoreError::{AmbiguousTrial, Missing, UnknownSweep, UnknownTrial};
        let is_unknown = |error: &StoreError| {
            matches!(error, UnknownSweep { .. } | UnknownTrial { .. } | AmbiguousTrial { .. } | Missing { .. })
        };
        let unknown = error.chain().filter_map(|cause| cause.downcast_ref()).any(is_unknown);
        if unknown || error.is::<WrongInput>() { Exit::WrongInput } else { Exit::Error }
    }
}

/// Whoever read our output has seen enough, as `head` does.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let written = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        written.or_else(|| cause.downcast_ref::<serde_json::Error>()?.io_error_kind())
    };
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}
