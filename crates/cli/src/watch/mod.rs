//! `watch`: a sweep on the whole terminal, live. It reads the database and what the coordinator has left beside it, nothing
//! else, so it works in a second terminal, for a sweep that is over, and can disturb nothing.

mod draw;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use draw::{Look, lines};
pub(crate) use model::Model;

use frostline_results::{Folder, RunStatus};
use frostline_store::Reader;
use frostline_view::show::show;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the database is asked whether it has changed.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Times and steps within an epoch are read anew this often.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);

/// What is looked at.
pub(crate) struct Viewer<'a> {
    reader: Reader,
    folder: Folder,
    sweep: &'a str,
    look: Look,
    /// Single trials also where there are several seeds.
    trials: bool,
    selected: Option<usize>,
    /// A trial in full, where one was asked for, and how far it was scrolled.
    shown: Option<(String, u16)>,
}

impl<'a> Viewer<'a> {
    pub(crate) fn new(reader: Reader, folder: Folder, sweep: &'a str, look: Look) -> Viewer<'a> {
        Viewer { reader, folder, sweep, look, trials: false, selected: None, shown: None }
    }

    /// # Errors
    /// There is no such sweep, or a failure of the database.
    pub(crate) fn read(&mut self) -> anyhow::Result<Model> {
        // What others have written since is seen where snapshots are read, too.
        self.reader.version()?;
        let mut model = Model::read(&self.reader, self.sweep, self.trials)?;
        model.follow(&self.reader, self.run_status())?;
        Ok(model)
    }

    fn run_status(&self) -> Option<RunStatus> {
        RunStatus::read(&self.folder.status())
    }

    /// Shows the sweep until somebody wants no more of it, or the process is told to end. The terminal is as it was then,
    /// also after a panic.
    ///
    /// # Errors
    /// Failures of the database and of the terminal.
    pub(crate) fn run(&mut self) -> anyhow::Result<()> {
        // Before the terminal is changed: who ends the process in between leaves it as it was.
        for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
            // SAFETY: the handler does nothing but store into an atomic.
            unsafe { libc::signal(signal, heard as extern "C" fn(libc::c_int) as libc::sighandler_t) };
        }
        let mut terminal = ratatui::try_init()?;
        let ended = self.turn(&mut terminal);
        if ratatui::try_restore().is_err() && !wait_for_key(Duration::ZERO)? {
            // There is nothing left to restore. Dropped, the terminal would complain of that, to whom it is not there for.
            std::mem::forget(terminal);
            TOLD_TO_END.store(true, Ordering::Relaxed);
            return Ok(());
        }
        ended
    }

    fn turn(&mut self, terminal: &mut ratatui::DefaultTerminal) -> anyhow::Result<()> {
        let mut model = self.read()?;
        let (mut version, mut followed) = (self.reader.version()?, Instant::now());
        loop {
            if TOLD_TO_END.load(Ordering::Relaxed) {
                return Ok(());
            }
            terminal.draw(|frame| self.draw(&model, frame))?;
            let mut again = false;
            if !wait_for_key(LOOK_PAUSE)? {
                return Ok(());
            }
            // Of several keys that came at once the first wait has told only once.
            while event::poll(Duration::ZERO)? {
                match event::read()? {
                    Event::Key(key) if key.kind == KeyEventKind::Press => match self.press(key, &model)? {
                        Press::Quit => return Ok(()),
                        Press::Reread => again = true,
                        Press::Nothing => {}
                    },
                    _ => {}
                }
            }
            let newest = self.reader.version()?;
            if again || newest != version {
                model = self.read()?;
                (version, followed) = (newest, Instant::now());
            } else if followed.elapsed() >= CLOCK_PAUSE {
                model.follow(&self.reader, self.run_status())?;
                followed = Instant::now();
            }
        }
    }

    fn draw(&self, model: &Model, frame: &mut Frame) {
        let area = frame.area();
        match &self.shown {
            Some((text, scroll)) => frame.render_widget(Paragraph::new(text.as_str()).scroll((*scroll, 0)), area),
            None => {
                let size = (usize::from(area.width), usize::from(area.height));
                frame.render_widget(Text::from(lines(model, size, self.look, self.selected)), area);
            }
        }
    }

    fn press(&mut self, key: KeyEvent, model: &Model) -> anyhow::Result<Press> {
        let last = model.best.len().saturating_sub(1);
        match (key.code, &mut self.shown) {
            (KeyCode::Char('c'), _) if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(Press::Quit),
            (KeyCode::Char('q') | KeyCode::Esc, Some(_)) => self.shown = None,
            (KeyCode::Down | KeyCode::Char('j'), Some((_, scroll))) => *scroll = scroll.saturating_add(1),
            (KeyCode::Up | KeyCode::Char('k'), Some((_, scroll))) => *scroll = scroll.saturating_sub(1),
            (_, Some(_)) => {}
            (KeyCode::Char('q') | KeyCode::Esc, None) => return Ok(Press::Quit),
            (KeyCode::Down | KeyCode::Char('j'), None) => {
                self.selected = Some(self.selected.map_or(0, |selected| (selected + 1).min(last)));
            }
            (KeyCode::Up | KeyCode::Char('k'), None) => {
                self.selected = Some(self.selected.map_or(0, |selected| selected.saturating_sub(1)));
            }
            (KeyCode::Char('g'), None) => {
                (self.trials, self.selected) = (!self.trials, None);
                return Ok(Press::Reread);
            }
            (KeyCode::Enter, None) => {
                if let Some(row) = model.best.get(self.selected.unwrap_or(0)) {
                    self.shown = Some((described(&self.reader, &row.id)?, 0));
                }
            }
            _ => {}
        }
        Ok(Press::Nothing)
    }
}

/// Waits for a key or a signal, `most` at the longest. False where the terminal is gone, of which `event` would read the end
/// for ever.
fn wait_for_key(most: Duration) -> std::io::Result<bool> {
    let keys = std::io::stdin();
    let mut watched = [PollFd::new(&keys, PollFlags::IN)];
    match rustix::event::poll(&mut watched, Timespec::try_from(most).ok().as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(!watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

/// Set by a signal, and where the terminal is gone; looked at between two waits for a key.
static TOLD_TO_END: AtomicBool = AtomicBool::new(false);

extern "C" fn heard(_: libc::c_int) {
    TOLD_TO_END.store(true, Ordering::Relaxed);
}

/// Whether the process was told to end, and not by a key.
pub(crate) fn was_told_to_end() -> bool {
    TOLD_TO_END.load(Ordering::Relaxed)
}

enum Press {
    Quit,
    Reread,
    Nothing,
}

/// A trial as `show` prints it, without styles.
fn described(reader: &Reader, id: &str) -> anyhow::Result<String> {
    let mut text = Vec::new();
    crate::output::trial(&mut text, &show(reader, id)?, &[], None)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(anstream::adapter::strip_str(&text).to_string() + "\nq back   up/down scroll")
}

/// Lines as text, without styles.
pub(crate) fn plain(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.to_string().trim_end())).collect()
}
