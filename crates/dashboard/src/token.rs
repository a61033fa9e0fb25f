//! The secret in the printed link: whoever shares this machine can reach its ports, but does not know it.

use std::fs::File;
use std::io::{self, Read};

/// 128 bits from the system, in hexadecimal.
pub(crate) fn token() -> io::Result<String> {
    let mut secret = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    Ok(secret.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares in a time that says nothing about where they differ.
pub(crate) fn same(ours: &str, theirs: &str) -> bool {
    let differing = ours.bytes().zip(theirs.bytes()).fold(0, |differing, (one, other)| differing | (one ^ other));
    ours.len() == theirs.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 32);
        assert!(same(&one, &one.clone()) && !same(&one, &other) && !same(&one, &one[..31]) && !same(&one, ""));
    }
}
