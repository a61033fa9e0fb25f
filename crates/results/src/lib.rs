//! Where things lie in a results folder: names, manifests, seals and versioned cache folders, each said once.
//!
//! ```text
//! results/
//!   frostline.db               what happened
//!   frostline.lock             held by the coordinator; names its process
//!   shared-disk, snapshot.db   on a disk that other machines see: says so, and what they read
//!   run/                       of the running coordinator: token, endpoint.json, status.json, access.json, jobs/
//!   logs/                      coordinator.log, worker-N.log
//!   checkpoints/               <trial>.checkpoint, the one before, and one that is being written or comes from elsewhere
//!   models/                    <trial>.safetensors
//!   classes/                   <data digest>.json: names of the classes of data that is not published
//!   cache/features-v1/<key>/   manifest.json, train.safetensors, test.safetensors
//!   cache/images-v1/           decoded pictures
//! ```
//!
//! It knows trials and features by their identities, and reads and writes small files. It must not know SQLite, sockets
//! or libtorch: what is in the database, in a checkpoint's tensors or behind an endpoint belongs to others.

mod access;
mod aside;
mod bucket;
pub mod checkpoint;
pub mod classes;
mod endpoint;
pub mod features;
mod folder;
mod holder;
mod host;
pub mod models;
mod own;
mod parcel;
pub mod seal;
mod shell;
mod status;

pub use access::{Access, Conditions, PASS, Pass, folder_name};
pub use aside::replace;
pub use bucket::CacheBucket;
pub use endpoint::Endpoint;
pub use folder::{DATABASE, Folder, JOB_NUMBER, LOCK};
pub use holder::Holder;
pub use host::{host, processor};
pub use own::own_folder;
pub use parcel::{Arriving, PIECE, Parcel};
pub use shell::quoted;
pub use status::{RunStatus, RunningTask};
