//! `serve`: the results folder in a browser.

use crate::args::{self, Common};
use crate::commands::report::classes;
use crate::exit::{Exit, wrong_input};
use crate::output;
use frostline_dashboard::{Limits, Options, ServeError, serve};
use std::io::Write;
use std::sync::Arc;

pub(crate) fn run(common: &Common, arguments: &args::Serve) -> anyhow::Result<Exit> {
    // An earlier version's database is brought up to date here: pages only read.
    drop(frostline_store::open(&common.results)?);
    let results = common.results.clone();
    let options = Options {
        results: results.clone(),
        host: arguments.host,
        port: arguments.port,
        allow_remote: arguments.allow_remote,
        classes: Arc::new(move |trial| classes(&results, trial)),
        made_by: concat!("Frostline ", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: Limits::default(),
    };
    let ready = |address: &frostline_dashboard::Address| {
        let _ = writeln!(anstream::stdout().lock(), "{}", address.link);
        output::note("Open this link. Ctrl-C ends the server; sweeps go on.");
        if !address.address.ip().is_loopback() {
            output::note("Other machines can reach it, unencrypted: whoever sees the link can read everything here.");
        }
    };
    match serve(options, ready) {
        Ok(()) => Ok(Exit::Done),
        Err(error @ (ServeError::Remote(_) | ServeError::Listen { .. })) => Err(wrong_input(error)),
        Err(error) => Err(error.into()),
    }
}
