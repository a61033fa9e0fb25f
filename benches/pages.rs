//! The pages of a sweep of 100,000 trials as `frostline serve` answers a browser, which takes them packed: milliseconds to the
//! first byte, sizes, and the server's memory; and the report of it.

mod common;

use anyhow::{Context, ensure};
use common::{EPOCHS, SWEEP, fill_with, frostline, life, peak_memory, play_worker, say};
use frostline_link::idle;
use frostline_store::Writer;
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::Right;
use frostline_sweep::record::Record;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

const LARGE: usize = 100_000;
/// Images whose being right is stored of each trial.
const IMAGES: usize = 1_000;
/// The machine may be busy with something else: the best run counts.
const RUNS: usize = 5;

fn main() -> anyhow::Result<()> {
    if play_worker()? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let results = folder.path();
    // The last one waits, for a change while pages are looked at.
    fill_with(results, LARGE, LARGE - 1, seeing)?;
    rustix::fs::sync();
    say(&format!("{LARGE} trials of {EPOCHS} epochs, 10 seeds a configuration, {IMAGES} validation images"));

    let server = Server::start(results)?;
    let (seconds, bytes) = server.get("/s/bench", true)?;
    say(&format!("the first page, for which the sweep is read: {:.0} ms, {bytes} bytes packed", 1e3 * seconds));
    for (what, place) in [
        ("all sweeps", "/?"),
        ("answer", "/s/bench?"),
        ("trials", "/s/bench/trials?"),
        ("trials in the middle", "/s/bench/trials?after=5000&"),
        ("trials by a metric", "/s/bench/trials?sort=test_accuracy&"),
        ("trials by a hyperparameter", "/s/bench/trials?sort=-batch_size&"),
        ("trials under a condition", "/s/bench/trials?where=learning_rate%3D0.001&"),
        ("trials of one seed under a condition", "/s/bench/trials?where=seed%3D1&sort=seconds&"),
        ("depth", "/s/bench/depth?"),
        ("cost", "/s/bench/cost?"),
        ("all", "/s/bench/all?"),
        ("effects", "/s/bench/effects?"),
        ("report", "/s/bench/report.html?"),
    ] {
        // Each address is new, so no answer is one that was kept.
        let (first, packed) = server.get(&format!("{place}run=0"), true)?;
        let (_, bytes) = server.get(&format!("{place}run=plain"), false)?;
        let mut best = f64::INFINITY;
        for run in 1..=RUNS {
            best = best.min(server.get(&format!("{place}run={run}"), true)?.0);
        }
        let first =
            if first > 2.0 * best { format!(" (the first time {:.0} ms)", 1e3 * first) } else { String::new() };
        let (kilobytes, packed) = (bytes as f64 / 1e3, packed as f64 / 1e3);
        say(&format!("  {what}: {:.1} ms{first}, {packed:.1} kB packed, {kilobytes:.0} kB", 1e3 * best));
    }
    let mut writer = Writer::open(results)?;
    let trials = common::parsed(LARGE)?.expand(&common::sources());
    let last = trials.last().context("no trial")?;
    writer.apply(SWEEP, &seeing(LARGE as u64, last))?;
    drop(writer);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let (seconds, _) = server.get("/s/bench/trials?run=changed", true)?;
    say(&format!("  trials after one more has finished: {:.1} ms", 1e3 * seconds));
    say(&format!("the server's memory: {:.0} MB at most", server.end()?));

    let file = results.join("report.html");
    let start = Instant::now();
    let mut child = frostline(results)?.args(["report", SWEEP, "-o"]).arg(&file).spawn()?;
    let mut peak = 0.0;
    while child.try_wait()?.is_none() {
        // Gone once the process has ended.
        peak = peak_memory(&child).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    ensure!(child.wait()?.success(), "no report");
    let (seconds, bytes) = (start.elapsed().as_secs_f64(), std::fs::metadata(&file)?.len());
    say(&format!("frostline report: {seconds:.2} s, {bytes} bytes, {peak:.0} MB at most"));
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        ensure!(frostline(results)?.args(["best", SWEEP]).status()?.success(), "no ranking");
        best = best.min(start.elapsed().as_secs_f64());
    }
    say(&format!("frostline best: {:.1} ms", 1e3 * best));
    Ok(())
}

/// A trial of which it is stored which images it got right.
fn seeing(attempt: u64, trial: &Trial) -> Vec<Record> {
    let accuracy = idle::metrics(trial.id, EPOCHS).val_accuracy;
    let shift = usize::from(trial.id.0[0]);
    let right = |image: usize| ((image * 7_919 + shift * 31) % IMAGES) as f64 / (IMAGES as f64) < accuracy;
    let mut records = life(attempt, trial);
    for record in &mut records {
        if let Record::Completed { evaluation, .. } = record {
            let test = (0..100).map(right).collect();
            evaluation.right = Some(Right { validation: (0..IMAGES).map(right).collect(), test });
            evaluation.validation_images = Some(IMAGES as u64);
        }
    }
    records
}

struct Server {
    child: Child,
    address: String,
    cookie: String,
}

impl Server {
    fn start(results: &Path) -> anyhow::Result<Server> {
        let mut command = frostline(results)?;
        command.args(["serve", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut link = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut link)?;
        let link = link.trim().strip_prefix("http://").context("no link")?;
        let (address, token) = link.split_once("/?token=").context("no token")?;
        let port = address.rsplit(':').next().context("no port")?;
        let cookie = format!("frostline-{port}={token}");
        Ok(Server { child, address: address.to_owned(), cookie })
    }

    /// Seconds to the first byte, and how many there are.
    fn get(&self, place: &str, packed: bool) -> anyhow::Result<(f64, usize)> {
        let mut stream = TcpStream::connect(&self.address)?;
        let start = Instant::now();
        let Server { address, cookie, .. } = self;
        let accepted = if packed { "Accept-Encoding: gzip\r\n" } else { "" };
        write!(
            stream,
            "GET {place} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n{accepted}Connection: close\r\n\r\n"
        )?;
        let mut answer = vec![0];
        stream.read_exact(&mut answer)?;
        let seconds = start.elapsed().as_secs_f64();
        stream.read_to_end(&mut answer)?;
        let head = answer.starts_with(b"HTTP/1.1 200");
        ensure!(head, "{place}: {}", String::from_utf8_lossy(&answer[..answer.len().min(2000)]));
        Ok((seconds, answer.len()))
    }

    /// Its memory at most, in megabytes.
    fn end(mut self) -> anyhow::Result<f64> {
        let peak = peak_memory(&self.child)?;
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        self.child.wait()?;
        Ok(peak)
    }
}
