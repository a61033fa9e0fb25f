//! The commands. Each finds its answer in the crates below and prints it.

pub(crate) mod backup;
pub(crate) mod best;
pub(crate) mod cancel;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod effects;
pub(crate) mod export;
pub(crate) mod export_model;
pub(crate) mod features;
pub(crate) mod fetch;
pub(crate) mod launch;
pub(crate) mod layers;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod weights;
