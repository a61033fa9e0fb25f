//! The user's cache folder, shared by all checkouts and results folders.

use std::env;
use std::path::PathBuf;

/// `$FROSTLINE_CACHE`, else `frostline` in `$XDG_CACHE_HOME`, else `~/.cache/frostline`.
pub fn folder() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("FROSTLINE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("frostline")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/frostline")))
        .unwrap_or_else(|| env::temp_dir().join("frostline-cache"))
}
