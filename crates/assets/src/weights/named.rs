//! How people name weights: a file, and where it holds several networks, the key of one: `checkpoint.pth#state_dict_ema`.

use std::path::{Path, PathBuf};

/// A file, and the key of what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub file: PathBuf,
    /// Keys of dictionaries and steps of tensors' names with dots between; empty for what lies at the top.
    pub key: Option<String>,
}

impl Named {
    /// A file whose own name has a `#` comes first. What names no file at all is taken as it is.
    pub fn new(path: &Path) -> Named {
        let whole = Named { file: path.to_owned(), key: None };
        let (false, Some(text)) = (path.exists(), path.to_str()) else { return whole };
        let splits = text.rmatch_indices('#').map(|(at, _)| (Path::new(&text[..at]), &text[at + 1..]));
        let mut of_files = splits.filter(|(file, _)| file.is_file());
        of_files.next().map_or(whole, |(file, key)| Named { file: file.to_owned(), key: Some(key.to_owned()) })
    }

    pub fn is_there(&self) -> bool {
        self.file.is_file()
    }
}
