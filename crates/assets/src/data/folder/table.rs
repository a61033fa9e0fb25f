//! `labels.csv`: a table that says which picture is of which class, and perhaps in which split. The order of its lines is the
//! order of the images.

use super::listing::{Listed, Listing, Split, check_splits, count_classes};
use super::names;
use crate::data::folder_error::{FolderError, List};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const TABLE: &str = "labels.csv";

pub(super) fn is_in(root: &Path) -> bool {
    root.join(TABLE).is_file()
}

pub(super) fn list(root: &Path) -> Result<Listing, FolderError> {
    let path = root.join(TABLE);
    let failed =
        |error: csv::Error| FolderError::Table { path: path.clone(), problems: List(vec![error.to_string()]) };
    let content = std::fs::read(&path).map_err(FolderError::file("read", &path))?;
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(content);
    let header: Vec<String> =
        reader.byte_headers().map_err(failed)?.iter().map(|cell| names::text(cell).to_ascii_lowercase()).collect();
    let column = |name: &str| header.iter().position(|found| found == name);
    let (Some(file), Some(label)) = (column("file"), column("label")) else {
        return Err(FolderError::Columns { path, found: header.join(",") });
    };
    let split = column("split");
    let (mut rows, mut problems, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for record in reader.byte_records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let named = names::text(cell(file));
        let picture = root.join(OsStr::from_bytes(cell(file)));
        let class = names::text(cell(label));
        let of = split.map(|column| names::text(cell(column)));
        let known = of.as_deref().map(Split::of);
        let mut wrong = |what: String| problems.push(format!("line {line}: {what}"));
        if named.is_empty() {
            wrong("no file is named".to_owned());
        } else if class.is_empty() {
            wrong(format!("`{named}` has no label"));
        } else if let (Some(of), Some(None)) = (&of, known) {
            wrong(format!("split `{of}` is not one of train, val, valid, validation and test"));
        } else if !picture.is_file() {
            wrong(format!("there is no file `{named}`"));
        } else if let Some(before) = seen.insert(picture.clone(), line) {
            wrong(format!("`{named}` is in line {before} already"));
        } else {
            rows.push((picture, class, known.flatten()));
        }
    }
    if !problems.is_empty() {
        return Err(FolderError::Table { path, problems: List(problems) });
    }
    if rows.is_empty() {
        return Err(FolderError::EmptyTable { path });
    }
    let classes = classes(&rows);
    count_classes(root, &classes)?;
    let number: HashMap<&str, u16> = (0..).zip(&classes).map(|(number, name)| (name.as_str(), number)).collect();
    let listed = |(path, class, split): &(PathBuf, String, Option<Split>)| Listed {
        path: path.clone(),
        class: number[class.as_str()],
        split: *split,
    };
    let pictures: Vec<Listed> = rows.iter().map(listed).collect();
    check_splits(&classes, &pictures)?;
    Ok(Listing { classes, pictures, remarks: Vec::new() })
}

/// In the order of their numbers where all are whole numbers, else of their bytes.
fn classes(rows: &[(PathBuf, String, Option<Split>)]) -> Vec<String> {
    let mut classes: Vec<String> = rows.iter().map(|(_, class, _)| class.clone()).collect();
    classes.sort();
    classes.dedup();
    let number = |class: &String| class.parse::<u64>().ok().filter(|number| number.to_string() == *class);
    if classes.iter().all(|class| number(class).is_some()) {
        classes.sort_by_key(number);
    }
    classes
}
