//! Who holds a results folder.

use crate::{Folder, host};
use std::fmt;
use std::path::Path;

/// Who holds a results folder, as the lock's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub process: u32,
    /// Empty in what earlier versions have left.
    pub host: String,
}

impl Holder {
    /// This process.
    pub fn own() -> Holder {
        Holder { process: std::process::id(), host: host() }
    }

    /// None where nobody says who it is.
    pub fn parse(note: &str) -> Option<Holder> {
        let mut words = note.split_whitespace();
        let (process, host) = (words.next()?.parse().ok()?, words.next().unwrap_or_default().to_owned());
        words.next().is_none().then_some(Holder { process, host })
    }

    /// What the file says then.
    pub fn note(&self) -> String {
        format!("{} {}\n", self.process, self.host)
    }

    /// Who holds `results`, or held it when it was killed.
    pub fn of(results: &Path) -> Option<Holder> {
        Holder::parse(&std::fs::read_to_string(Folder::new(results).lock()).ok()?)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        match self.host.is_empty() || self.host == host() {
            true => Ok(()),
            false => write!(f, " on {}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_its_process_and_another_machine() {
        assert_eq!(Holder::parse("12\n").unwrap().to_string(), "process 12");
        assert_eq!(Holder::parse("12 n3\n").unwrap().to_string(), "process 12 on n3");
        let own = Holder::own();
        assert_eq!(Holder::parse(&own.note()), Some(own.clone()));
        assert_eq!(own.to_string(), format!("process {}", std::process::id()));
        for nothing in ["", "who", "12 and more"] {
            assert_eq!(Holder::parse(nothing), None, "{nothing}");
        }
    }
}
