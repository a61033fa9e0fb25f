//! Style and script, under addresses that change with their content: a browser may keep them for good.

use frostline_report::page::{SCRIPT, STYLE};
use std::sync::LazyLock;

pub(crate) struct Asset {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) content: &'static str,
}

pub(crate) static STYLE_SHEET: LazyLock<Asset> = LazyLock::new(|| asset("css", "text/css; charset=utf-8", STYLE));
pub(crate) static MODULES: LazyLock<Asset> = LazyLock::new(|| asset("js", "text/javascript; charset=utf-8", SCRIPT));

fn asset(ending: &str, kind: &'static str, content: &'static str) -> Asset {
    let hash = blake3::hash(content.as_bytes()).to_hex();
    Asset { path: format!("/assets/{}.{ending}", &hash[..16]), kind, content }
}

/// The asset of this path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    [&*STYLE_SHEET, &*MODULES].into_iter().find(|asset| asset.path == path)
}
