//! The store as its users see it: through its public calls, on real files.

mod auditing;
mod fixture;
mod opening;
mod ranking;
mod records;
mod removing;
mod shared;
mod sweeps;
mod trouble;
mod upgrading;
mod whole;
