//! The one style sheet and the one script, put together at build time: what is in the repository is what is served.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub const STYLE: &str = include_str!("../../web/style.css");

/// Each module in a block of its own, so that none sees another's names.
pub const SCRIPT: &str = concat!(
    "{\n",
    include_str!("../../web/theme.js"),
    "}\n{\n",
    include_str!("../../web/table.js"),
    "}\n{\n",
    include_str!("../../web/parallel.js"),
    "}\n{\n",
    include_str!("../../web/tip.js"),
    "}\n{\n",
    include_str!("../../web/live.js"),
    "}\n",
);

/// As a policy names a text that it allows: `'sha256-…'`.
pub(super) fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_digest_of_the_text() {
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert_eq!(source("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
    }

    #[test]
    fn a_script_can_stand_in_a_page_and_stays_within_its_budget() {
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
        assert!(SCRIPT.len() <= 40_000, "{} bytes", SCRIPT.len());
        assert!(STYLE.len() <= 15_000, "{} bytes", STYLE.len());
        for foreign in ["http://", "https://", "@import", "url("] {
            let found = SCRIPT.replace("http://www.w3.org/2000/svg", "").contains(foreign) || STYLE.contains(foreign);
            assert!(!found, "nothing is loaded from elsewhere: {foreign}");
        }
    }
}
