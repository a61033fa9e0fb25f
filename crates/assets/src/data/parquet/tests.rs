//! Parquet files, whole and broken.

use super::*;
use crate::data::{Counts, Images, folder, source};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use frostline_sweep::dataset::{Dataset, Unreadable};
use frostline_sweep::definition::Data;
use frostline_sweep::trial::Augment;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;
use std::fs::{self, File};
use std::io::Cursor;
use std::sync::Arc;

mod broken;

/// `datasets` writes these two columns.
const IMAGE: &str = "optional group image { optional binary bytes; optional binary path (UTF8); }";
const LABEL: &str = "optional int64 label;";

/// Values of one leaf of a schema.
enum Leaf {
    Bytes(Vec<Option<Vec<u8>>>),
    Numbers(Vec<Option<i64>>),
}

fn text(values: &[&str]) -> Leaf {
    Leaf::Bytes(values.iter().map(|value| Some(value.as_bytes().to_vec())).collect())
}

fn numbers(values: impl IntoIterator<Item = i64>) -> Leaf {
    Leaf::Numbers(values.into_iter().map(Some).collect())
}

fn pictures_of(shades: impl IntoIterator<Item = u8>) -> Leaf {
    Leaf::Bytes(shades.into_iter().map(|shade| Some(png(shade))).collect())
}

fn nothing(count: usize) -> Leaf {
    Leaf::Bytes(vec![None; count])
}

fn png(shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(8, 8, Rgb([shade, 100, 50])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// What `datasets` notes of a column of classes.
fn named(names: &[&str]) -> serde_json::Value {
    json!({"info": {"features": {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": names},
    }}})
}

/// A folder for Parquet files, and where pictures are packed.
struct Place {
    folder: tempfile::TempDir,
    data: Data,
}

impl Place {
    fn new() -> Place {
        let data = Data { dataset: Dataset::Parquet, test_share: 0.25, ..folder::tests::data() };
        let place = Place { folder: tempfile::tempdir().unwrap(), data };
        fs::create_dir(place.root()).unwrap();
        place
    }

    /// The files that pyarrow has written.
    fn of_pyarrow() -> Place {
        let place = Place::new();
        fs::create_dir(place.root().join("data")).unwrap();
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet");
        for entry in fs::read_dir(recorded).unwrap().map(|entry| entry.unwrap()) {
            fs::copy(entry.path(), place.root().join("data").join(entry.file_name())).unwrap();
        }
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("set")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("images-v1")
    }

    /// Rows in one group, with the leaves in the order of the schema.
    fn write(&self, name: &str, columns: &[&str], leaves: Vec<Leaf>, notes: Option<serde_json::Value>) {
        let schema = parse_message_type(&format!("message schema {{ {} }}", columns.join(" "))).unwrap();
        let notes = notes.map(|notes| vec![KeyValue::new("huggingface".to_owned(), notes.to_string())]);
        let properties = WriterProperties::builder()
            .set_key_value_metadata(notes)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_write_batch_size(2)
            .set_data_page_row_count_limit(3)
            .build();
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for leaf in leaves {
            let mut column = group.next_column().unwrap().unwrap();
            let is_there: Vec<bool> = match &leaf {
                Leaf::Bytes(values) => values.iter().map(Option::is_some).collect(),
                Leaf::Numbers(values) => values.iter().map(Option::is_some).collect(),
            };
            match leaf {
                Leaf::Bytes(values) => {
                    let typed = column.typed::<ByteArrayType>();
                    let deepest = typed.get_descriptor().max_def_level();
                    let levels: Vec<i16> =
                        is_there.iter().map(|&it| if it { deepest } else { deepest - 1 }).collect();
                    let values: Vec<ByteArray> = values.into_iter().flatten().map(ByteArray::from).collect();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
                Leaf::Numbers(values) => {
                    let typed = column.typed::<Int64Type>();
                    let deepest = typed.get_descriptor().max_def_level();
                    let levels: Vec<i16> =
                        is_there.iter().map(|&it| if it { deepest } else { deepest - 1 }).collect();
                    let values: Vec<i64> = values.into_iter().flatten().collect();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
    }

    /// Pictures of these shades as `datasets` has them.
    fn hugging_face(&self, name: &str, shades: &[u8], labels: &[i64], names: &[&str]) {
        let leaves =
            vec![pictures_of(shades.iter().copied()), nothing(shades.len()), numbers(labels.iter().copied())];
        self.write(name, &[IMAGE, LABEL], leaves, Some(named(names)));
    }

    fn survey(&self) -> Result<Survey, DataError> {
        let (root, cache) = (self.root(), self.cache());
        let wanted = Wanted { data: &self.data, place: Some(&root), cache: &cache };
        source(Dataset::Parquet).survey(&wanted, &mut |_, _, _| {})
    }

    fn packed(&self) -> Result<(Survey, Splits), DataError> {
        let (root, cache) = (self.root(), self.cache());
        let wanted = Wanted { data: &self.data, place: Some(&root), cache: &cache };
        let (place, survey) = source(Dataset::Parquet).pack(&wanted, &mut |_, _, _| {})?.unwrap();
        let spec = DataSpec {
            dataset: Dataset::Parquet,
            digest: survey.digest.clone(),
            validation: self.data.validation,
            image_size: self.data.image_size,
            augment: Augment::None,
            train_limit: None,
            test_limit: None,
            pictures: survey.pictures,
        };
        let splits = source(Dataset::Parquet).load(&spec, Some(&place))?;
        Ok((survey, splits))
    }

    /// What is wrong, without the folder's place.
    fn message(&self) -> String {
        let error = self.packed().map(|(survey, _)| survey).unwrap_err();
        error.to_string().replace(&self.folder.path().display().to_string(), "PLACE")
    }
}

/// Labels and shades of the images, in order.
fn shades(images: &Images) -> Vec<(u16, u8)> {
    let rows = images.rows.as_ref().unwrap().iter();
    images.labels.iter().zip(rows).map(|(&label, &row)| (label, images.pixels[row as usize * 3 * 64])).collect()
}

fn pairs(shades: impl IntoIterator<Item = u8>) -> Vec<(u16, u8)> {
    shades.into_iter().map(|shade| (u16::from(shade % 2), shade)).collect()
}

#[test]
fn files_that_pyarrow_has_written_as_datasets_does_are_read_in_order() {
    let place = Place::of_pyarrow();
    let survey = place.survey().unwrap();
    assert_eq!(survey.counts, Counts { train: 10, validation: 2, test: 3 });
    assert_eq!(survey.classes, ["a dog", "cat"]);
    assert_eq!(survey.remarks, [""; 0]);
    let (packed, splits) = place.packed().unwrap();
    assert_eq!((packed.digest, packed.is_final), (survey.digest, true));
    assert_eq!(shades(&splits.train), pairs((10..20).chain([30, 31])));
    assert_eq!((shades(&splits.test), splits.own_validation), (pairs([40, 41, 42]), 2));
    assert_eq!((splits.class_names, splits.side), (survey.classes, 8));
}

/// The bytes, their classes and their order are what a data set is, however they are stored.
#[test]
fn the_same_pictures_in_another_layout_are_the_same_data() {
    let recorded = Place::of_pyarrow().survey().unwrap().digest;
    let place = Place::of_pyarrow();
    let bytes = |name: &str| {
        let found = rows_of(&place.root().join("data").join(name));
        found.into_iter().map(Some).collect::<Vec<Option<Vec<u8>>>>()
    };
    let other = Place::new();
    for (split, names) in [
        ("train", &["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"][..]),
        ("val", &["validation-00000-of-00001.parquet"]),
        ("test", &["test-00000-of-00001.parquet"]),
    ] {
        let pictures: Vec<Option<Vec<u8>>> = names.iter().flat_map(|name| bytes(name)).collect();
        let first = match split {
            "train" => 10,
            "val" => 30,
            _ => 40,
        };
        let labels: Vec<&str> =
            (0..pictures.len()).map(|place| if (first + place) % 2 == 0 { "a dog" } else { "cat" }).collect();
        let leaves = vec![text(&labels), Leaf::Bytes(pictures)];
        let columns = ["optional binary kind (UTF8);", "optional binary picture;"];
        other.write(&format!("{split}.parquet"), &columns, leaves, None);
    }
    assert_eq!(other.survey().unwrap().digest, recorded);
}

/// The bytes of all pictures of a file.
fn rows_of(path: &Path) -> Vec<Vec<u8>> {
    let shard = Shard::open(path.to_owned(), None).unwrap();
    let columns = columns::of(path, shard.about.file_metadata(), Chosen::default()).unwrap();
    let count = shard.about.file_metadata().num_rows() as usize;
    let listing = Listing {
        classes: Vec::new(),
        pictures: vec![Listed { path: PathBuf::new(), class: 0, split: None }; count],
        remarks: Vec::new(),
    };
    let mut found = Vec::new();
    let mut take = |_: usize, bytes: Result<&[u8], crate::picture::PictureError>| found.push(bytes.unwrap().to_vec());
    let all: Vec<usize> = (0..count).collect();
    pictures::Contents::read(&Rows::of(vec![(shard, columns)]), &listing, &all, &mut take).unwrap();
    found
}

#[test]
fn single_rows_are_read_without_those_before_them() {
    let place = Place::new();
    place.hugging_face("a.parquet", &[0, 1, 2, 3, 4, 5, 6, 7], &[0, 1, 0, 1, 0, 1, 0, 1], &["x", "y"]);
    place.hugging_face("b.parquet", &[8, 9], &[0, 1], &["x", "y"]);
    let shard = |name: &str| {
        let shard = Shard::open(place.root().join(name), None).unwrap();
        let columns = columns::of(&shard.path, shard.about.file_metadata(), Chosen::default()).unwrap();
        (shard, columns)
    };
    let rows = Rows::of(vec![shard("a.parquet"), shard("b.parquet")]);
    let listing = collection(&place.root(), Chosen::default()).unwrap().listing;
    let mut found = Vec::new();
    let mut take = |number: usize, bytes: Result<&[u8], crate::picture::PictureError>| {
        found.push((number, bytes.unwrap() == png(number as u8)));
    };
    pictures::Contents::read(&rows, &listing, &[1, 5, 7, 9], &mut take).unwrap();
    assert_eq!(found, [(1, true), (5, true), (7, true), (9, true)]);
}

#[test]
fn without_splits_a_share_is_held_out_and_a_file_alone_will_do() {
    let place = Place::new();
    place.hugging_face("all.parquet", &[1, 2, 3, 4, 5, 6, 7, 8], &[0, 0, 0, 0, 1, 1, 1, 1], &["x", "y"]);
    let survey = place.survey().unwrap();
    assert_eq!(survey.counts, Counts { train: 6, validation: 0, test: 2 });
    let (file, cache) = (place.root().join("all.parquet"), place.cache());
    let wanted = Wanted { data: &place.data, place: Some(&file), cache: &cache };
    let alone = source(Dataset::Parquet).survey(&wanted, &mut |_, _, _| {}).unwrap();
    assert_eq!(alone.digest, survey.digest);
}

#[test]
fn numbers_without_names_are_classes_in_their_order() {
    let place = Place::new();
    let leaves = vec![pictures_of(0..6), nothing(6), numbers([10, 9, 10, 9, 10, 9])];
    place.write("all.parquet", &[IMAGE, LABEL], leaves, None);
    let survey = place.survey().unwrap();
    assert_eq!(survey.classes, ["9", "10"]);
    assert_eq!(survey.counts.train + survey.counts.test, 6);
}

#[test]
fn a_label_is_found_by_what_is_noted_by_its_name_or_by_being_alone() {
    let place = Place::new();
    let columns = ["optional int64 label;", "optional int64 fine;", IMAGE];
    let leaves = |_| vec![numbers([0, 0, 1, 1]), numbers([0, 1, 0, 1]), pictures_of([1, 2, 3, 4]), nothing(4)];
    let noted = json!({"info": {"features": {"fine": {"_type": "ClassLabel", "names": ["p", "q"]}}}});
    place.write("noted.parquet", &columns, leaves(()), Some(noted));
    let classes = |place: &Place| place.survey().unwrap().classes;
    assert_eq!(classes(&place), ["p", "q"]);
    fs::remove_file(place.root().join("noted.parquet")).unwrap();
    place.write("named.parquet", &columns, leaves(()), None);
    assert_eq!(classes(&place), ["0", "1"]);
    let digest = |place: &Place| place.survey().unwrap().digest;
    let by_name = digest(&place);
    let chosen = Place { data: Data { label_column: Some("fine".to_owned()), ..place.data.clone() }, ..place };
    assert_ne!(digest(&chosen), by_name);
}

#[test]
fn a_file_that_has_changed_is_read_again_and_others_are_not() {
    let place = Place::of_pyarrow();
    place.packed().unwrap();
    let mut read = 0;
    let (root, cache) = (place.root(), place.cache());
    let wanted = Wanted { data: &place.data, place: Some(&root), cache: &cache };
    let mut say = |step, done, _| {
        if step == crate::data::Step::Reading {
            read = done;
        }
    };
    let before = source(Dataset::Parquet).survey(&wanted, &mut say).unwrap();
    assert_eq!((read, before.to_pack), (0, 0));
    let names = ["a dog", "cat"];
    place.hugging_face("data/validation-00000-of-00001.parquet", &[32, 33, 34], &[0, 1, 0], &names);
    let mut read = 0;
    let mut say = |step, done, _| {
        if step == crate::data::Step::Reading {
            read = done;
        }
    };
    let after = source(Dataset::Parquet).survey(&wanted, &mut say).unwrap();
    assert_eq!((read, after.counts.validation), (3, 3));
    assert_ne!(after.digest, before.digest);
}
