//! Ways to end.

/// How a coordinator ends that was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Running epochs end; told once more, it ends at once.
    InGoodOrder,
    /// Nobody waits for anything.
    AtOnce,
    /// Another coordinator goes on soon, so workers are left alone.
    HandOver,
}
