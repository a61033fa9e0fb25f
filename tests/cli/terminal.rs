//! What is shown on a terminal, and what becomes of it when the terminal goes.

use crate::place::{Place, until};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::process::Child;

/// A terminal of so many columns, on which a program runs.
struct Terminal {
    program: Child,
    screen: File,
    said: String,
}

impl Terminal {
    fn start(place: &Place, arguments: &str, columns: u16) -> Terminal {
        // Programs of other tests must not hold it open.
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let program = File::from(
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap(),
        );
        tcsetwinsize(&screen, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let mut command = place.command(arguments);
        command
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .stdin(program.try_clone().unwrap());
        command.stdout(program.try_clone().unwrap()).stderr(program);
        // With the command go its ends of the terminal.
        Terminal { program: command.spawn().unwrap(), screen: screen.into(), said: String::new() }
    }

    /// Reads on. False where the program has left the terminal.
    fn reads(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.screen.read(&mut bytes).unwrap_or(0);
        self.said += &String::from_utf8_lossy(&bytes[..count]);
        count > 0
    }

    fn reads_until(&mut self, text: &str) {
        while !self.said.contains(text) {
            assert!(self.reads(), "`{text}` was never said: {}", self.said);
        }
    }

    /// All that is said until the program ends by itself.
    fn all(mut self) -> String {
        while self.reads() {}
        until("the program to end", || self.program.try_wait().unwrap());
        self.said
    }

    /// The terminal goes; how the program ends.
    fn goes(self) -> Option<i32> {
        let Terminal { mut program, screen, .. } = self;
        drop(screen);
        until("the program to end", || program.try_wait().unwrap()).code()
    }
}

#[test]
fn watching_ends_with_its_terminal() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let mut terminal = Terminal::start(&place, "watch demo", 80);
    terminal.reads_until("q quit");
    assert_eq!(terminal.goes(), Some(130));
}

#[test]
fn sentences_are_broken_between_words_where_the_terminal_ends() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let trials = place.trials("demo");
    let said = Terminal::start(&place, &format!("compare {} {}", trials[0].id, trials[1].id), 60).all();
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("They cannot be compared image by image: they saw other images, or which ones"),
        "{words}"
    );
    assert_eq!(said.lines().filter(|line| line.chars().count() > 60).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let place = Place::new();
    let launch = "launch demo.toml --no-progress --set grid.frozen_layers=[\"all\",0.9] --set sweep.seeds=[0,1]";
    let launched = Terminal::start(&place, launch, 80).all();
    assert!(launched.contains("[8/8] ") && launched.contains("  frozen "), "{launched}");
    assert_eq!(launched.lines().filter(|line| line.chars().count() > 80).collect::<Vec<_>>(), [""; 0]);
    let trials = place.trials("demo");
    let (one, other) = (&trials[0].id, &trials[1].id);
    for columns in [80, 60] {
        for command in [
            "plan demo.toml",
            "best",
            "best --trials",
            "status demo",
            "list",
            "effects",
            &format!("show {one}"),
            &format!("compare {one} {other}"),
            "verify",
            "doctor",
            "fetch",
            "layers efficientnet_lite0",
            "layers efficientnet_v2_s --blocks",
            "best --where rate=1",
            "show 00000000",
            "plan nothing.toml",
        ] {
            let said = Terminal::start(&place, command, columns).all();
            let wide: Vec<&str> = said.lines().filter(|line| line.chars().count() > usize::from(columns)).collect();
            assert!(wide.is_empty() && !said.is_empty(), "{command} in {columns} columns: {wide:#?}");
        }
    }
}
