//! `export`: a sweep in the files of other programs.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output;
use crate::record;
use frostline_export::export;
use std::io::Write;

/// Of more files, their number says enough.
const LISTED: usize = 8;

pub(crate) fn run(common: &Common, arguments: &args::Export) -> anyhow::Result<Exit> {
    let mut reader = record::open(common)?;
    let (sweep, folder) = (&arguments.sweep, &arguments.output);
    let exported = export(&mut reader, sweep, arguments.format, folder).map_err(|error| match error {
        frostline_export::ExportError::Store(error) => error.into(),
        error if error.is_wrong_input() => wrong_input(error),
        error => anyhow::Error::new(error),
    })?;
    let mut out = anstream::stdout().lock();
    let (trials, epochs) = (output::count(exported.trials, "trial"), output::count(exported.epochs, "epoch"));
    writeln!(out, "{}: `{sweep}` for {}, {trials}, {epochs}", folder.display(), arguments.format.name)?;
    match &exported.files[..] {
        files if files.len() <= LISTED => {
            for (file, size) in files {
                writeln!(out, "  {:<18} {:>8}", file.display().to_string(), output::bytes(*size))?;
            }
        }
        files => {
            let size = files.iter().map(|(_, size)| size).sum();
            writeln!(out, "  {} files {:>8}", files.len(), output::bytes(size))?;
        }
    }
    if exported.left_out > 0 {
        let left_out = output::count(exported.left_out, "trial");
        writeln!(out, "Left out: {left_out} of which {} can hold nothing yet", arguments.format.name)?;
    }
    Ok(Exit::Done)
}
