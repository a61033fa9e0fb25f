//! What can be asked of pages.

use super::complete;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Report {
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    /// The file to write; an earlier one is replaced
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub(crate) output: PathBuf,
    /// How many of the best trials to show in full
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub(crate) trials: usize,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: std::net::IpAddr,
    /// Port to listen on, 0 for any that is free; without it 7878, or the next one that is free
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Allow an address that other machines reach. Whoever has the printed link can read everything here, and it travels
    /// unencrypted: `ssh -L 7878:127.0.0.1:7878 HOST` is safer
    #[arg(long)]
    pub(crate) allow_remote: bool,
}
