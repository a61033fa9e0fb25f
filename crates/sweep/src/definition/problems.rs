//! What is wrong with a definition, and where.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Bytes of the text.
    Text(Range<usize>),
    /// An override, as it was written.
    Override(String),
    /// The file as a whole.
    File,
}

/// Everything that is wrong with one definition, in the order of the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct DefinitionErrors {
    pub file: String,
    pub text: String,
    pub problems: Vec<Problem>,
}

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            match &problem.place {
                Place::File => write!(f, "{}: {}", self.file, problem.message)?,
                Place::Override(text) => write!(f, "--set {text}: {}", problem.message)?,
                Place::Text(span) => self.excerpt(f, span, &problem.message)?,
            }
        }
        Ok(())
    }
}

impl DefinitionErrors {
    /// `file:line:column: message`, the line, and a mark under what is meant.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>, span: &Range<usize>, message: &str) -> fmt::Result {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let marked = self.text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let width = marked.trim_end().chars().count().max(1);
        let gutter = number.to_string().len();
        writeln!(f, "{}:{number}:{column}: {message}", self.file)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{number} | {line}")?;
        write!(f, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(width), indent = column - 1)
    }
}
