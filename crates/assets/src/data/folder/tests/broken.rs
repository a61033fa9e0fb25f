//! Data sets that are not as they should be, and what is said of them.

use super::*;

/// A sound folder that was changed.
fn spoilt(change: impl FnOnce(&Place)) -> String {
    let place = Place::of_two_classes();
    change(&place);
    place.message()
}

fn jpeg() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 3, y as u8 * 3, (x * y) as u8]));
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// A PNG whose head claims this size, with a checksum that fits.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(40, 40, 1);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    bytes
}

#[test]
fn pictures_that_cannot_be_read_are_all_named_at_once() {
    let place = Place::of_two_classes();
    let jpeg = jpeg();
    place.write("cat/cut in half.jpg", &jpeg[..jpeg.len() / 2]);
    // Its end is there, and its middle is not: only decoding shows it.
    let cut_within = [&jpeg[..jpeg.len() / 2], &[0xff, 0xd9]].concat();
    place.write("cat/cut within.jpg", &cut_within);
    place.write("cat/text.png", b"this is text");
    place.write("cat/empty.png", b"");
    place.write("dog/bomb.png", &claiming(29_000, 29_000));
    place.write("dog/huge.png", &claiming(60_000, 60_000));
    place.write("dog/cut.gif", b"GIF89a\x01");
    place.write("dog/cut.webp", b"RIFF\x20\0\0\0WEBPVP8 ");
    place.write("dog/cut.bmp", b"BM\0\0\0\0");
    place.write("dog/cut.tif", b"II*\0\x08\0\0\0");
    let whole = png(64, 64, 9);
    place.write("dog/cut.png", &whole[..whole.len() - 20]);
    symlink("nowhere", place.root().join("dog/dangling.png")).unwrap();
    fs::create_dir(place.root().join("dog/folder.png")).unwrap();
    insta::assert_snapshot!(place.message().replace("; ", "\n"), @r#"
    pictures that cannot be read: PLACE/pictures/dog/bomb.png is too large: a picture has at most 30000 x 30000 pixels, 200 MB in its file and 1073 MB decoded
    PLACE/pictures/cat/cut in half.jpg is damaged or cut short: its end is missing
    PLACE/pictures/cat/cut within.jpg is damaged or cut short: its end is missing
    PLACE/pictures/dog/cut.bmp is damaged or cut short: failed to fill whole buffer
    PLACE/pictures/dog/cut.gif is damaged or cut short: Format error decoding Gif: Unexpected End of File
    PLACE/pictures/dog/cut.png is damaged or cut short: unexpected end of file
    PLACE/pictures/dog/cut.tif is damaged or cut short: failed to fill whole buffer
    PLACE/pictures/dog/cut.webp is damaged or cut short: failed to fill whole buffer
    cannot read PLACE/pictures/dog/dangling.png: No such file or directory (os error 2)
    PLACE/pictures/cat/empty.png is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them
    PLACE/pictures/dog/huge.png is too large: a picture has at most 30000 x 30000 pixels, 200 MB in its file and 1073 MB decoded
    PLACE/pictures/cat/text.png is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them
    mend or remove them, or leave them out with data.unreadable = "skip"
    "#);

    let mut place = place;
    place.data.unreadable = Unreadable::Skip;
    let before = place.survey().unwrap();
    let (survey, splits, _) = place.packed().unwrap();
    assert_eq!(survey.counts.train + survey.counts.test, 12);
    assert_eq!(splits.train.labels.len() + splits.test.labels.len(), 12);
    assert!(survey.remarks.iter().any(|remark| remark.starts_with("12 pictures cannot be read and are left out: ")));
    assert_eq!(place.survey().unwrap(), survey, "the next time it is known at once");
    assert!(before.is_final && survey.is_final, "refused before: every picture was decoded");
    // Who removes them has the same data set.
    let sound = Place::of_two_classes();
    assert_eq!(sound.survey().unwrap().digest, survey.digest);
}

#[test]
fn what_decoding_may_find_is_not_known_before() {
    let mut place = Place::of_two_classes();
    place.data.unreadable = Unreadable::Skip;
    let jpeg = jpeg();
    place.write("cat/cut within.jpg", &[&jpeg[..jpeg.len() / 2], &[0xff, 0xd9]].concat());
    let before = place.survey().unwrap();
    let (after, ..) = place.packed().unwrap();
    assert!(!before.is_final && after.is_final);
    assert_ne!(before.digest, after.digest);
    assert_eq!(before.pictures, after.pictures);
    assert_eq!(place.packed().unwrap().0, Survey { to_pack: 0, ..after });
}

#[test]
fn many_unreadable_pictures_are_counted() {
    let place = Place::of_two_classes();
    (0..30).for_each(|number| place.write(format!("cat/{number:02}.jpg"), b"no picture"));
    let said = place.message();
    assert!(said.contains("cat/19.jpg is not a JPEG") && !said.contains("cat/20.jpg"), "{said}");
    assert!(said.contains("; and 10 more (30 in all); mend or remove them"), "{said}");
}

#[test]
fn folders_that_are_no_data_set_are_refused() {
    let rename = |place: &Place, from: &str, to: &str| {
        let to = place.root().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(place.root().join(from), to).unwrap();
    };
    let mut said = Vec::new();
    let mut case = |what: &str, change: &dyn Fn(&Place)| said.push(format!("{what}: {}", spoilt(change)));
    case("no folder", &|place| fs::remove_dir_all(place.root()).unwrap());
    case("a file", &|place| {
        fs::remove_dir_all(place.root()).unwrap();
        fs::write(place.root(), "").unwrap();
    });
    case("nothing in it", &|place| {
        fs::remove_dir_all(place.root()).unwrap();
        fs::create_dir(place.root()).unwrap();
    });
    case("one class", &|place| fs::remove_dir_all(place.root().join("dog")).unwrap());
    case("an empty class", &|place| fs::create_dir(place.root().join("bird")).unwrap());
    case("a class without pictures", &|place| place.write("bird/readme.md", b""));
    case("a class of one picture", &|place| place.picture("bird/1.png", 1));
    case("a class in one split only", &|place| {
        rename(place, "cat", "train/cat");
        rename(place, "dog", "train/dog");
        place.picture("test/cat/1.png", 90);
        place.picture("val/cat/1.png", 91);
        place.picture("val/dog/1.png", 92);
        place.picture("val/wolf/1.png", 93);
    });
    case("a split twice", &|place| {
        rename(place, "cat", "train/cat");
        rename(place, "dog", "train/dog");
        place.picture("val/cat/1.png", 90);
        place.picture("Validation/cat/1.png", 91);
    });
    case("a split without classes", &|place| {
        rename(place, "cat", "train/cat");
        rename(place, "dog", "train/dog");
        place.picture("test/1.png", 90);
    });
    case("nothing readable", &|place| {
        for name in ["cat", "dog"] {
            (0..6).for_each(|number| place.write(format!("{name}/{number}.png"), b"?"));
        }
    });
    case("a table without columns", &|place| place.write("labels.csv", b"cat/1.png,cat\n"));
    case("an empty table", &|place| place.write("labels.csv", b""));
    case("a table without lines", &|place| place.write("labels.csv", b"file,label\n"));
    case("a table of one class", &|place| place.write("labels.csv", b"file,label\ncat/1.png,x\ndog/1.png,x\n"));
    case("a table with wrong lines", &|place| {
        let lines = "cat/1.png,cat,train\ncat/1.png,cat,test\ncat/2.png,,train\ncat/7.png,cat,train\ncat/3.png,cat,\n\
                     ,cat,train\ncat/4.png,cat,holdout\ncat,cat,train\n";
        place.write("labels.csv", format!("file,label,split\n{lines}").as_bytes());
    });
    case("a table with a short line", &|place| place.write("labels.csv", b"file,label\ncat/1.png\n"));
    case("a table with a class in one split", &|place| {
        place
            .write("labels.csv", b"file,label,split\ncat/1.png,cat,train\ndog/1.png,dog,train\ncat/2.png,cat,test\n");
    });
    // One of the twelve is enough here.
    let said = said.iter().map(|line| match line.starts_with("nothing readable") {
        true => line.split("; ").next().unwrap(),
        false => line,
    });
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"), @r"
    no folder: cannot read PLACE/pictures: No such file or directory (os error 2)
    a file: PLACE/pictures is not a folder; `data.path` names the folder of the pictures
    nothing in it: PLACE/pictures has no folders of classes: put the pictures of each class into a folder called as the class is, or write a table `labels.csv` with the columns file and label
    one class: PLACE/pictures has one class, `cat`: there is nothing to tell apart
    an empty class: no picture in PLACE/pictures/bird: put some there, or remove the folder
    a class without pictures: no picture in PLACE/pictures/bird: put some there, or remove the folder
    a class of one picture: `bird` has 1 picture: with so few, none can be held out to test; add pictures, or test images of their own
    a class in one split only: classes that are not in every split cannot be learned or tested: `dog` has no test image; `wolf` has no training image and no test image
    a split twice: PLACE/pictures/Validation and PLACE/pictures/val are both validation images: keep one of the two
    a split without classes: PLACE/pictures/test has no folders of classes: put the pictures of each class into a folder called as the class is, or write a table `labels.csv` with the columns file and label
    nothing readable: PLACE/pictures has no picture that can be read: PLACE/pictures/cat/0.png is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them
    a table without columns: the first line of PLACE/pictures/labels.csv names its columns: file, label and perhaps split; it is `cat/1.png,cat`
    an empty table: the first line of PLACE/pictures/labels.csv names its columns: file, label and perhaps split; it is ``
    a table without lines: PLACE/pictures/labels.csv has no line below its columns
    a table of one class: PLACE/pictures has one class, `x`: there is nothing to tell apart
    a table with wrong lines: PLACE/pictures/labels.csv: line 3: `cat/1.png` is in line 2 already; line 4: `cat/2.png` has no label; line 5: there is no file `cat/7.png`; line 6: split `` is not one of train, val, valid, validation and test; line 7: no file is named; line 8: split `holdout` is not one of train, val, valid, validation and test; line 9: there is no file `cat`
    a table with a short line: PLACE/pictures/labels.csv: CSV error: record 1 (line: 2, byte: 11): found record with 1 fields, but the previous record has 2 fields
    a table with a class in one split: classes that are not in every split cannot be learned or tested: `dog` has no test image
    ");
}

#[test]
fn a_class_that_is_lost_with_its_unreadable_pictures_is_named() {
    let mut place = Place::of_two_classes();
    place.data.unreadable = Unreadable::Skip;
    (0..6).for_each(|number| place.write(format!("dog/{number}.png"), b"?"));
    insta::assert_snapshot!(
        place.message(),
        @"classes that are not in every split cannot be learned or tested: `dog` has no picture"
    );
}

#[test]
fn a_folder_that_may_not_be_read_is_named() {
    let place = Place::of_two_classes();
    let folder = place.root().join("cat");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    // Whoever may read everything, as root may, sees nothing of it.
    let is_refused = fs::read_dir(&folder).is_err();
    let said = place.packed().map(|_| ()).map_err(|error| error.to_string());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    match said {
        Err(said) => assert!(is_refused && said.contains("pictures/cat: Permission denied"), "{said}"),
        Ok(()) => assert!(!is_refused),
    }
}

#[test]
fn more_classes_than_labels_can_tell_apart_are_refused() {
    let classes: Vec<String> = (0..=MOST_CLASSES).map(|class| class.to_string()).collect();
    let said = pictures::count_classes(Path::new("x"), &classes).unwrap_err().to_string();
    assert_eq!(said, "x has 65537 classes: 65536 are the most there can be");
    pictures::count_classes(Path::new("x"), &classes[1..]).unwrap();
}

#[test]
fn images_of_another_trial_or_a_damaged_set_are_refused() {
    let place = Place::of_two_classes();
    let (survey, ..) = place.packed().unwrap();
    let find = || fs::read_dir(place.cache()).unwrap().map(|entry| entry.unwrap().path());
    let set = find().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("set-")).unwrap();
    let load = |spec: &DataSpec| source(Dataset::Folder).load(spec, Some(&set)).unwrap_err().to_string();
    let other = DataSpec { digest: "0".repeat(64), ..place.spec(&survey) };
    assert!(load(&other).contains("are others than the trial's: launch the sweep again"), "{}", load(&other));
    let mut bytes = fs::read(&set).unwrap();
    let end = bytes.len() - 5;
    bytes[end] ^= 1;
    fs::write(&set, bytes).unwrap();
    assert!(load(&place.spec(&survey)).contains("are damaged"));
}
