//! Paths in commands that people are told to type.

use std::path::Path;

/// A path as a shell reads it: in quotes where it has to be.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted(Path::new("/data/my-results.2")), "/data/my-results.2");
        assert_eq!(quoted(Path::new("my results")), "'my results'");
        assert_eq!(quoted(Path::new("o'clock")), r"'o'\''clock'");
    }
}
