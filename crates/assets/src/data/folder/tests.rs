//! Folders of pictures, whole and broken.

use super::*;
use crate::data::{Counts, Images, MOST_CLASSES, Step, source};
use frostline_sweep::dataset::AugmentChoice;
use frostline_sweep::dataset::{Dataset, Fit, Pictures, Unreadable};
use frostline_sweep::definition::Data;
use frostline_sweep::trial::{Augment, Validation};
use image::{ImageFormat, Rgb, RgbImage};
use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

mod broken;

pub(in crate::data) fn data() -> Data {
    Data {
        dataset: Dataset::Folder,
        path: None,
        validation: Validation::Share(0.1),
        test_share: 0.2,
        image_size: 32,
        fit: Fit::Crop,
        unreadable: Unreadable::Refuse,
        image_column: None,
        label_column: None,
        augment: AugmentChoice::None,
        views: None,
        magnitude: None,
        train_limit: None,
        test_limit: None,
    }
}

/// A folder of pictures, and where they are packed.
struct Place {
    folder: tempfile::TempDir,
    data: Data,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        Place { folder, data: data() }
    }

    /// Six pictures in each of two classes.
    fn of_two_classes() -> Place {
        let place = Place::new();
        for (class, name) in ["cat", "dog"].into_iter().enumerate() {
            (0..6).for_each(|number| place.picture(&format!("{name}/{number}.png"), (10 * class + number) as u8));
        }
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("pictures")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("images-v1")
    }

    fn write(&self, name: impl AsRef<OsStr>, content: &[u8]) {
        let path = self.root().join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn picture(&self, name: &str, shade: u8) {
        self.write(name, &png(40, 36, shade));
    }

    fn survey(&self) -> Result<Survey, DataError> {
        let (root, cache) = (self.root(), self.cache());
        source(Dataset::Folder)
            .survey(&Wanted { data: &self.data, place: Some(&root), cache: &cache }, &mut |_, _, _| {})
    }

    /// The survey, what is loaded then, and how many pictures were decoded.
    fn packed(&self) -> Result<(Survey, Splits, u64), DataError> {
        let (root, cache) = (self.root(), self.cache());
        let wanted = Wanted { data: &self.data, place: Some(&root), cache: &cache };
        let mut decoded = 0;
        let mut say = |step, done, _| {
            if step == Step::Decoding {
                decoded = done;
            }
        };
        let (place, survey) = source(Dataset::Folder).pack(&wanted, &mut say)?.unwrap();
        let splits = source(Dataset::Folder).load(&self.spec(&survey), Some(&place))?;
        Ok((survey, splits, decoded))
    }

    fn spec(&self, survey: &Survey) -> DataSpec {
        DataSpec {
            dataset: Dataset::Folder,
            digest: survey.digest.clone(),
            validation: self.data.validation,
            image_size: self.data.image_size,
            augment: Augment::None,
            train_limit: None,
            test_limit: None,
            pictures: survey.pictures,
        }
    }

    /// What is wrong, without the folder's place.
    fn message(&self) -> String {
        let error = self.packed().map(|(survey, ..)| survey).unwrap_err();
        error.to_string().replace(&self.folder.path().display().to_string(), "PLACE")
    }
}

fn png(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let picture = RgbImage::from_pixel(width, height, Rgb([shade, 2 * shade, 255 - shade]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The shades of the images, in order, with their labels.
fn shades(images: &Images, side: usize) -> Vec<(u16, u8)> {
    let size = 3 * side * side;
    let rows = images.rows.as_ref().unwrap().iter();
    images.labels.iter().zip(rows).map(|(&label, &row)| (label, images.pixels[row as usize * size])).collect()
}

#[test]
fn folders_of_splits_are_read_by_name_with_classes_in_turn() {
    let place = Place::new();
    for split in ["Train", "valid", "test"] {
        for (class, name) in ["a", "b"].into_iter().enumerate() {
            for number in 0..3u8 {
                let shade = 40 * ["Train", "valid", "test"].iter().position(|of| *of == split).unwrap() as u8;
                place.picture(&format!("{split}/{name}/{number}.PNG"), shade + 10 * class as u8 + number);
            }
        }
    }
    let (survey, splits, decoded) = place.packed().unwrap();
    assert_eq!(survey.counts, Counts { train: 6, validation: 6, test: 6 });
    assert_eq!((survey.classes, decoded), (vec!["a".to_owned(), "b".to_owned()], 18));
    assert_eq!(survey.pictures, Some(Pictures { side: 32, fit: Fit::Crop }));
    let of = |offset: u8| {
        [(0, 0), (1, 10), (0, 1), (1, 11), (0, 2), (1, 12)].map(|(label, shade)| (label, shade + offset))
    };
    assert_eq!(shades(&splits.train, 32), [of(0), of(40)].concat());
    assert_eq!(shades(&splits.test, 32), of(80));
    assert_eq!((splits.own_validation, splits.side), (6, 32));
}

#[test]
fn without_a_test_split_a_share_of_each_class_is_held_out_by_content() {
    let place = Place::of_two_classes();
    let (survey, splits, _) = place.packed().unwrap();
    assert_eq!(survey.counts, Counts { train: 10, validation: 0, test: 2 });
    let tested = |splits: &Splits| {
        let mut shades = shades(&splits.test, 32);
        shades.sort_unstable();
        shades
    };
    assert_eq!(tested(&splits).iter().map(|(label, _)| *label).collect::<Vec<_>>(), [0, 1]);
    // Other names, the same contents: the same pictures test.
    let renamed = Place::new();
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        (0..6u8).for_each(|number| {
            renamed.picture(&format!("{name}/deeper/{}.png", 9 - number), 10 * class as u8 + number);
        });
    }
    let (_, other, _) = renamed.packed().unwrap();
    assert_eq!(tested(&other), tested(&splits));
    // A new picture of one class leaves the other's alone.
    place.picture("cat/new.png", 99);
    let (_, more, _) = place.packed().unwrap();
    assert_eq!(tested(&more)[1], tested(&splits)[1]);
}

#[test]
fn the_digest_follows_contents_classes_and_splits_and_no_place() {
    let (one, other) = (Place::of_two_classes(), Place::of_two_classes());
    let digest = |place: &Place| place.survey().unwrap().digest;
    assert_eq!(digest(&one), digest(&other));
    assert_eq!(one.packed().unwrap().0.digest, digest(&one), "before and after packing");
    fs::rename(other.root().join("dog"), other.root().join("wolf")).unwrap();
    assert_ne!(digest(&one), digest(&other));
    let mut shared = Place::of_two_classes();
    shared.data.test_share = 0.5;
    assert_ne!(digest(&one), digest(&shared));
}

#[test]
fn a_table_says_labels_splits_and_order() {
    let place = Place::new();
    (0..6u8).for_each(|number| place.picture(&format!("all of them/{number} #1.png"), number));
    let row = |number: u8, label: &str, split: &str| format!("\"all of them/{number} #1.png\",{label},{split}\n");
    let rows = [
        (5, "10", "train"),
        (4, "9", "train"),
        (3, "9", "val"),
        (2, "10", "Validation"),
        (1, "9", "test"),
        (0, "10", "test"),
    ];
    let rows: String = rows.map(|(number, label, split)| row(number, label, split)).concat();
    place.write("labels.csv", format!("\u{feff}File,label,split\r\n{rows}").as_bytes());
    let (survey, splits, _) = place.packed().unwrap();
    assert_eq!(survey.classes, ["9", "10"], "in the order of numbers");
    assert_eq!(shades(&splits.train, 32), [(1, 5), (0, 4), (0, 3), (1, 2)]);
    assert_eq!((shades(&splits.test, 32), splits.own_validation), (vec![(0, 1), (1, 0)], 2));
}

#[test]
fn links_are_followed_hidden_files_are_not_seen_and_names_may_be_any_bytes() {
    let place = Place::of_two_classes();
    place.write(OsStr::from_bytes(b"caf\xe9/a\xff b#.png"), &png(40, 40, 50));
    place.write("cafe\u{301}/ .jpeg", &png(40, 40, 51));
    place.write(OsStr::from_bytes(b"caf\xe9/second.png"), &png(40, 40, 52));
    place.picture("cafe\u{301}/second.webp", 53);
    for hidden in ["cat/.hidden.png", "cat/._0.png", ".git/x.png", "cat/.deeper/x.png", "cat/readme.txt", "loose.png"]
    {
        place.write(hidden, b"not looked at");
    }
    let elsewhere = place.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("linked.png"), png(40, 40, 77)).unwrap();
    symlink(&elsewhere, place.root().join("cat/linked")).unwrap();
    symlink(elsewhere.join("linked.png"), place.root().join("dog/link.png")).unwrap();
    symlink(place.root().join("cat"), place.root().join("cat/circle")).unwrap();
    let survey = place.survey().unwrap();
    assert_eq!(survey.classes, ["cafe\u{301}", "caf\\xe9", "cat", "dog"]);
    assert_eq!(survey.counts.train + survey.counts.test, 4 + 7 + 7);
    let remarks = survey.remarks.join("\n").replace(&place.folder.path().display().to_string(), "PLACE");
    insta::assert_snapshot!(remarks, @r"
    1 file without the extension of a picture is left out: PLACE/pictures/cat/readme.txt
    1 file beside the folders of classes is left out: PLACE/pictures/loose.png
    1 picture stands for two classes: PLACE/pictures/cat/linked/linked.png is PLACE/pictures/dog/link.png
    ");
}

#[test]
fn pictures_are_decoded_once_for_a_size_and_never_enlarged_on_the_disk() {
    let mut place = Place::of_two_classes();
    assert_eq!(place.packed().unwrap().2, 12);
    assert_eq!(place.packed().unwrap().2, 0);
    assert_eq!(place.survey().unwrap().to_pack, 0);
    // The division is another, the pixels are the same.
    place.data.test_share = 0.5;
    assert_eq!(place.packed().unwrap().2, 0);
    place.data.image_size = 224;
    let (survey, splits, decoded) = place.packed().unwrap();
    assert_eq!((survey.pictures.unwrap().side, splits.side, decoded), (36, 36, 12), "40 x 36 pixels");
    place.data.fit = Fit::Pad;
    assert_eq!(place.survey().unwrap().pictures.unwrap().side, 40);
}

/// As after a kill: some portions are done, the last line was cut, and one portion is not what its line says.
#[test]
fn packing_goes_on_where_it_was_ended() {
    let mut place = Place::new();
    place.data.image_size = 1024;
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        (0..6u8).for_each(|number| {
            place.write(format!("{name}/{number}.png"), &png(1024, 1024, 10 * class as u8 + number));
        });
    }
    let (survey, splits, decoded) = place.packed().unwrap();
    assert_eq!(decoded, 12);
    let folder = |name: &str| {
        let folders = fs::read_dir(place.cache()).unwrap().map(|entry| entry.unwrap().path());
        folders.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap()
    };
    let whole = folder("pixels-");
    let aside = whole.with_extension("packing");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(whole.join("manifest.json")).unwrap()).unwrap();
    let digests = manifest["portions"].as_array().unwrap();
    assert_eq!(digests.len(), 6, "two pictures a portion");
    let line =
        |number: usize| serde_json::json!({"number": number, "digest": digests[number], "broken": {}}).to_string();
    let journal = format!("{}\n{}\n{}\n{}", line(0), line(3), line(4), &line(5)[..20]);
    fs::remove_file(whole.join("manifest.json")).unwrap();
    fs::write(whole.join("journal"), journal).unwrap();
    fs::rename(&whole, &aside).unwrap();
    let mut pixels = fs::read(aside.join("pixels")).unwrap();
    pixels[4 * 2 * 3 * 1024 * 1024 + 7] ^= 1;
    fs::write(aside.join("pixels"), &pixels).unwrap();

    let mut steps = Vec::new();
    let (root, cache) = (place.root(), place.cache());
    let wanted = Wanted { data: &place.data, place: Some(&root), cache: &cache };
    let mut say = |step, done, total| steps.push((step, done, total));
    let (set, again) = source(Dataset::Folder).pack(&wanted, &mut say).unwrap().unwrap();
    let done: Vec<u64> = steps.iter().map(|&(_, done, _)| done).collect();
    assert_eq!(done, [6, 8, 10, 12], "two portions counted: four pictures were there");
    assert_eq!(again, survey);
    assert_eq!(source(Dataset::Folder).load(&place.spec(&again), Some(&set)).unwrap(), splits);
}

#[test]
fn damage_of_packed_pictures_is_found_and_mended_by_the_next_launch() {
    let place = Place::of_two_classes();
    let (_, splits, _) = place.packed().unwrap();
    let folders = fs::read_dir(place.cache()).unwrap().map(|entry| entry.unwrap().path());
    let pixels = folders.map(|path| path.join("pixels")).find(|path| path.exists()).unwrap();
    let mut bytes = fs::read(&pixels).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&pixels).unwrap();
    fs::write(&pixels, bytes).unwrap();
    let said = place.message();
    assert!(said.contains("are damaged: launch the sweep again, and they are made anew"), "{said}");
    let (_, again, decoded) = place.packed().unwrap();
    assert_eq!((again, decoded), (splits, 12));
}

#[test]
fn pictures_in_two_splits_or_classes_are_reported() {
    let place = Place::new();
    for (number, split) in ["train", "val", "test"].into_iter().enumerate() {
        for (class, name) in ["a", "b"].into_iter().enumerate() {
            place.picture(&format!("{split}/{name}/1.png"), (10 * number + class) as u8);
        }
    }
    assert_eq!(place.survey().unwrap().remarks, [""; 0]);
    place.picture("test/a/copy.png", 0);
    place.picture("val/b/copy.png", 0);
    place.picture("train/a/copy.png", 0);
    let remarks = place.survey().unwrap().remarks.join("\n").replace(&place.root().display().to_string(), "ROOT");
    insta::assert_snapshot!(remarks, @r"
    2 pictures are in more than one split, so that results look better than they are: ROOT/val/b/copy.png is ROOT/train/a/1.png
    1 picture stands for two classes: ROOT/val/b/copy.png is ROOT/train/a/1.png
    ");
}

#[test]
fn equal_pictures_are_not_divided() {
    let place = Place::new();
    for name in ["a", "b"] {
        (0..5u8).for_each(|number| {
            place.picture(&format!("{name}/{number}.png"), if name == "a" { number / 4 } else { number + 9 })
        });
    }
    let survey = place.survey().unwrap();
    assert_eq!(survey.remarks, [""; 0]);
    assert_eq!(survey.counts.train + survey.counts.test, 10);
}
