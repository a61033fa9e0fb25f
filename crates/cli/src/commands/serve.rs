//! `serve`: the results folder in a browser.

use crate::args::{self, Common};
use crate::commands::report::classes;
use crate::exit::{Exit, wrong_input};
use crate::gallery::Kept;
use crate::output;
use crate::record;
use frostline_dashboard::{Beside, Limits, Options, ServeError, serve};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(common: &Common, arguments: &args::Serve) -> anyhow::Result<Exit> {
    // An earlier version's database is brought up to date here: pages only read.
    drop(record::open(common)?);
    let options = Options {
        host: arguments.host,
        port: arguments.port,
        allow_remote: arguments.allow_remote,
        ..options(&common.results)
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

/// On this machine, on the first port that is free.
fn options(results: &Path) -> Options {
    let (of_classes, of_images, kept) = (results.to_owned(), results.to_owned(), Kept::default());
    Options {
        results: results.to_owned(),
        host: Ipv4Addr::LOCALHOST.into(),
        port: None,
        allow_remote: false,
        classes: Arc::new(move |trial| classes(&of_classes, trial)),
        images: Arc::new(move |trial| kept.of(&of_images, trial)),
        made_by: concat!("Frostline ", env!("CARGO_PKG_VERSION")).to_owned(),
        limits: Limits::default(),
    }
}

/// The pages beside a run of this sweep, for as long as what is returned lives.
pub(crate) fn beside(results: &Path, sweep: &str) -> anyhow::Result<Beside> {
    let served = Beside::start(options(results)).map_err(wrong_input)?;
    // The token goes with the address of the page: it is kept as a cookie.
    let link = served.address.link.replace("/?token=", &format!("/s/{sweep}?token="));
    output::note(&format!("Its page, for as long as it runs: {link}"));
    Ok(served)
}
