//! Names of files and folders, which may be any bytes, as text: what is no UTF-8 is written `\xNN`, and so is a backslash, so
//! that two names never become one text.

use std::fmt::Write;

pub(in crate::data) fn text(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\x5c"));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_are_different_texts() {
        assert_eq!(text("résumé #1".as_bytes()), "résumé #1");
        assert_eq!(text(b"caf\xe9"), "caf\\xe9");
        assert_eq!(text(b"caf\\xe9"), "caf\\x5cxe9");
    }
}
