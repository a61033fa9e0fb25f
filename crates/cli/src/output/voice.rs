//! How much is said, and how it is drawn: chosen once, by the arguments and the environment.

use std::io::IsTerminal;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Voice {
    /// 1: warnings, failures and what was asked for; 2: nothing.
    pub(crate) quiet: u8,
    /// No live part.
    pub(crate) still: bool,
    pub(crate) ascii: bool,
}

static VOICE: OnceLock<Voice> = OnceLock::new();

impl Voice {
    /// From here on. Whoever speaks first decides.
    pub(crate) fn choose(self) {
        let _ = VOICE.set(self);
    }

    pub(crate) fn get() -> Voice {
        VOICE.get().copied().unwrap_or_default()
    }

    /// Remarks are said.
    pub(crate) fn remarks(self) -> bool {
        self.quiet == 0
    }

    /// What went wrong is said.
    pub(crate) fn warns(self) -> bool {
        self.quiet < 2
    }

    /// Standard error has a part that is drawn again and again.
    pub(crate) fn is_live(self) -> bool {
        let set = |name: &str, wanted: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| wanted(&value));
        let is_dumb = set("TERM", |name| name == "dumb");
        let is_never = set("FROSTLINE_PROGRESS", |value| value == "never");
        let is_ci = set("CI", |value| !value.is_empty() && value != "false");
        self.remarks() && !self.still && !is_dumb && !is_never && !is_ci && std::io::stderr().is_terminal()
    }

    /// A part of a text in characters that every terminal has.
    pub(crate) fn drawn(self, text: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quieter_the_less_is_said() {
        let said = |quiet| {
            let voice = Voice { quiet, ..Voice::default() };
            (voice.remarks(), voice.warns())
        };
        assert_eq!(
            [said(0), said(1), said(2), said(3)],
            [(true, true), (false, true), (false, false), (false, false)]
        );
        assert_eq!(Voice { ascii: true, ..Voice::default() }.drawn("…", "~"), "~");
    }
}
