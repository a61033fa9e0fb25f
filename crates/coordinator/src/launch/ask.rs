//! Programs of others that are asked something, or told to do something.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command prints. An error says why there is nothing.
pub(super) async fn run(
    program: &str,
    arguments: &[impl AsRef<std::ffi::OsStr>],
    input: Option<&str>,
) -> Result<String, String> {
    let ends = async {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = match timeout(PATIENCE, ends).await {
        // The words of a controller that is too busy.
        Err(_) => return Err(format!("{program}: Socket timed out: no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => return Err(format!("{program}: {error}")),
        Ok(Ok(output)) => output,
    };
    answer(&output)
}

/// What a program printed. An error is what it complained of, in one line.
pub(super) fn answer(output: &Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    Err(if said.is_empty() { output.status.to_string() } else { said })
}

/// The same, for who has nothing else to do meanwhile.
///
/// # Errors
/// Why there is nothing.
pub(super) fn run_here(program: &str, arguments: &[&str]) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(program, arguments, None)).map_err(io::Error::other)
}

/// Runs a program without waiting for it: this process may end meanwhile.
pub(super) fn run_apart(mut command: std::process::Command) -> io::Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // Whoever starts a process must ask how it ended; where no thread can be had for that, its row stays in the table of
    // processes until this one ends.
    let _ = std::thread::Builder::new().spawn(move || child.wait());
    Ok(())
}
