//! `labels.csv`: a table that says which picture is of which class, and perhaps in which split. The order of its lines is the
//! order of the images.

use crate::data::pictures::{self, Listed, Listing, Split, check_splits, classes_of, count_classes};
use crate::data::pictures_error::{List, PicturesError};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const TABLE: &str = "labels.csv";

pub(super) fn is_in(root: &Path) -> bool {
    root.join(TABLE).is_file()
}

pub(super) fn list(root: &Path) -> Result<Listing, PicturesError> {
    let path = root.join(TABLE);
    let failed =
        |error: csv::Error| PicturesError::Table { path: path.clone(), problems: List(vec![error.to_string()]) };
    let content = std::fs::read(&path).map_err(PicturesError::file("read", &path))?;
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(content);
    let header: Vec<String> =
        reader.byte_headers().map_err(failed)?.iter().map(|cell| pictures::text(cell).to_ascii_lowercase()).collect();
    let column = |name: &str| header.iter().position(|found| found == name);
    let (Some(file), Some(label)) = (column("file"), column("label")) else {
        return Err(PicturesError::Columns { path, found: header.join(",") });
    };
    let split = column("split");
    let (mut rows, mut problems, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for record in reader.byte_records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let named = pictures::text(cell(file));
        let picture = root.join(OsStr::from_bytes(cell(file)));
        let class = pictures::text(cell(label));
        let of = split.map(|column| pictures::text(cell(column)));
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
        return Err(PicturesError::Table { path, problems: List(problems) });
    }
    if rows.is_empty() {
        return Err(PicturesError::EmptyTable { path });
    }
    let classes = classes_of(rows.iter().map(|(_, class, _)| class.clone()));
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
