//! The form of an answer.

use clap::Args;

#[derive(Args, Clone, Copy)]
pub(crate) struct Json {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}
