//! What comes from outside: weight files, data sets, and the catalogue that they are fetched from. No libtorch here,
//! so that the command line can check all of it before a sweep begins.

pub mod cache;
pub mod catalogue;
pub mod cifar10;
pub mod fetch;
pub mod kept;
pub mod layout;
pub mod picture;
pub mod safetensors;
pub mod shapes;
pub mod subset;
pub mod weights;
