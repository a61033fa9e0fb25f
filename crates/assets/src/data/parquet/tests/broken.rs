//! Parquet files that are no data set, and what is said of them.

use super::*;

const NAMES: [&str; 2] = ["x", "y"];

fn four(place: &Place, name: &str) {
    place.hugging_face(name, &[1, 2, 3, 4], &[0, 1, 0, 1], &NAMES);
}

/// What is said of one file with these columns.
fn said_of(columns: &[&str], leaves: Vec<Leaf>, notes: Option<serde_json::Value>) -> String {
    let place = Place::new();
    place.write("all.parquet", columns, leaves, notes);
    place.message()
}

fn pictures_and(column: &str, leaf: Leaf) -> String {
    said_of(&[IMAGE, column], vec![pictures_of([1, 2, 3, 4]), nothing(4), leaf], None)
}

#[test]
fn columns_that_are_missing_or_too_many_are_named() {
    let mut said = Vec::new();
    let mut case = |what: &str, message: String| said.push(format!("{what}: {message}"));
    case(
        "no pictures",
        said_of(&[LABEL, "optional int64 x (TIMESTAMP_MILLIS);"], vec![numbers([0, 1]), numbers([0, 1])], None),
    );
    case("no label", said_of(&[IMAGE], vec![pictures_of([1, 2]), nothing(2)], None));
    let two = ["optional int64 coarse;", "optional int64 fine;", IMAGE];
    let leaves = || vec![numbers([0, 1]), numbers([0, 1]), pictures_of([1, 2]), nothing(2)];
    case("two labels", said_of(&two, leaves(), None));
    let class = json!({"_type": "ClassLabel", "names": ["a", "b"]});
    let noted = json!({"info": {"features": {"coarse": class, "fine": class}}});
    case("two labels that are noted", said_of(&two, leaves(), Some(noted)));
    let two = [LABEL, "optional binary image;", "optional binary mask;"];
    case("two pictures", said_of(&two, vec![numbers([0, 1]), pictures_of([1, 2]), pictures_of([1, 2])], None));
    let mut place = Place::new();
    four(&place, "all.parquet");
    place.data.label_column = Some("kind".to_owned());
    case("another label", place.message());
    place.data.label_column = Some("label".to_owned());
    place.data.image_column = Some("label".to_owned());
    case("another picture", place.message());
    insta::assert_snapshot!(said.join("\n"), @r#"
    no pictures: PLACE/set/all.parquet has no column of pictures: one holds bytes, or a struct in which `bytes` are; its columns are `label` (whole numbers); `x` (times or decimals)
    no label: PLACE/set/all.parquet has no column of labels: one holds whole numbers or text; its columns are `image.bytes` (bytes); `image.path` (text)
    two labels: PLACE/set/all.parquet has several columns that can be its labels: `coarse`; `fine`; choose one with data.label_column
    two labels that are noted: PLACE/set/all.parquet has several columns that can be its labels: `coarse`; `fine`; choose one with data.label_column
    two pictures: PLACE/set/all.parquet has several columns that can be its pictures: `image`; `mask`; choose one with data.image_column
    another label: data.label_column = "kind": PLACE/set/all.parquet has no such column of labels; those that can be are `label`
    another picture: data.image_column = "label": PLACE/set/all.parquet has no such column of pictures; those that can be are `image`
    "#);
}

#[test]
fn labels_that_are_no_class_are_named_with_their_rows() {
    let mut said = Vec::new();
    let mut case = |what: &str, message: String| said.push(format!("{what}: {message}"));
    let place = Place::new();
    place.hugging_face("all.parquet", &[1, 2, 3, 4, 5], &[0, 2, 1, -1, 2], &NAMES);
    case("outside of the names", place.message());
    case("below 0", pictures_and(LABEL, numbers([0, -1, -1, 1])));
    case("none", pictures_and(LABEL, Leaf::Numbers(vec![Some(0), None, Some(1), None])));
    case("empty", pictures_and("optional binary label (UTF8);", text(&["a", "b", "", "a"])));
    case("one class", pictures_and(LABEL, numbers([3, 3, 3, 3])));
    case("a class without pictures", {
        let place = Place::new();
        place.hugging_face("all.parquet", &[1, 2, 3, 4], &[0, 1, 0, 1], &["x", "y", "z"]);
        place.message()
    });
    case("a class twice", {
        let place = Place::new();
        place.hugging_face("all.parquet", &[1, 2, 3, 4], &[0, 1, 0, 1], &["x", "x"]);
        place.message()
    });
    case("other names", {
        let place = Place::new();
        four(&place, "train.parquet");
        place.hugging_face("test.parquet", &[1, 2], &[0, 1], &["y", "x"]);
        place.message()
    });
    case("text and numbers", {
        let place = Place::new();
        four(&place, "test.parquet");
        let leaves = vec![pictures_of([1, 2]), nothing(2), text(&["x", "y"])];
        place.write("train.parquet", &[IMAGE, "optional binary label (UTF8);"], leaves, None);
        place.message()
    });
    case("a class that is not tested", {
        let place = Place::new();
        four(&place, "train.parquet");
        place.hugging_face("test.parquet", &[5, 6], &[0, 0], &NAMES);
        place.message()
    });
    insta::assert_snapshot!(said.join("\n"), @r"
    outside of the names: labels that say no class: PLACE/set/all.parquet row 1: label 2 is not one of 0 to 1, which have names, and 1 more row like it; PLACE/set/all.parquet row 3: label -1 is not one of 0 to 1, which have names; a split whose labels are not known cannot be used: move its files away
    below 0: labels that say no class: PLACE/set/all.parquet row 1: label -1 is below 0, and 1 more row like it; a split whose labels are not known cannot be used: move its files away
    none: labels that say no class: PLACE/set/all.parquet row 1: it has no label, and 1 more row like it; a split whose labels are not known cannot be used: move its files away
    empty: labels that say no class: PLACE/set/all.parquet row 2: its label is empty; a split whose labels are not known cannot be used: move its files away
    one class: PLACE/set has one class, `3`: there is nothing to tell apart
    a class without pictures: classes that are not in every split cannot be learned or tested: `z` has no picture
    a class twice: PLACE/set/all.parquet names the class `x` twice: no two classes may have one name
    other names: PLACE/set/test.parquet and PLACE/set/train.parquet are not of one data set: they have other names of classes
    text and numbers: PLACE/set/test.parquet and PLACE/set/train.parquet are not of one data set: their labels are of two kinds
    a class that is not tested: classes that are not in every split cannot be learned or tested: `y` has no test image
    ");
}

#[test]
fn files_that_are_damaged_are_named() {
    let mut said = Vec::new();
    let mut case = |what: &str, change: &dyn Fn(&Path)| {
        let place = Place::of_pyarrow();
        let path = place.root().join("data/train-00001-of-00002.parquet");
        change(&path);
        said.push(format!("{what}: {}", place.message()));
    };
    let cut = |path: &Path, length: usize| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..length]).unwrap();
    };
    case("cut in half", &|path| cut(path, 900));
    case("nothing in it", &|path| cut(path, 0));
    case("text", &|path| fs::write(path, "{\"label\": 1, \"image\": \"x.png\"}").unwrap());
    case("a folder", &|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    case("a page that is none", &|path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[4..200].fill(0xff);
        fs::write(path, bytes).unwrap();
    });
    insta::assert_snapshot!(said.join("\n"), @r"
    cut in half: PLACE/set/data/train-00001-of-00002.parquet is not a whole Parquet file, or damaged: Parquet error: Invalid Parquet file. Corrupt footer; get it again
    nothing in it: PLACE/set/data/train-00001-of-00002.parquet is not a whole Parquet file, or damaged: EOF: Parquet file too small. Size is 0 but need 8; get it again
    text: PLACE/set/data/train-00001-of-00002.parquet is not a whole Parquet file, or damaged: Parquet error: Invalid Parquet file. Corrupt footer; get it again
    a folder: files of a split are missing, of which others are there: train-00001-of-00002.parquet; get them, too
    a page that is none: PLACE/set/data/train-00001-of-00002.parquet is not a whole Parquet file, or damaged: Parquet error: Unexpected struct field type 15; get it again
    ");
}

#[test]
fn rows_that_are_no_picture_are_named_or_left_out() {
    let mut place = Place::new();
    let mut leaves: Vec<Option<Vec<u8>>> = (1..=8).map(|shade| Some(png(shade))).collect();
    leaves[2] = Some(b"this is text".to_vec());
    leaves[3] = None;
    leaves[5] = Some(Vec::new());
    leaves[7] = Some(png(8)[..50].to_vec());
    let paths = text(&["1.png", "2.png", "3.png", "4.png", "5.png", "6.png", "7.png", "8.png"]);
    let labels = numbers([0, 1, 0, 1, 0, 1, 0, 1]);
    place.write("all.parquet", &[IMAGE, LABEL], vec![Leaf::Bytes(leaves), paths, labels], Some(named(&NAMES)));
    insta::assert_snapshot!(place.message().replace("; ", "\n"), @r#"
    pictures that cannot be read: PLACE/set/all.parquet row 2 is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them
    PLACE/set/all.parquet row 3 has no bytes of a picture, which have to lie in the file itself
    PLACE/set/all.parquet row 5 is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them
    PLACE/set/all.parquet row 7 is damaged or cut short: unexpected end of file
    mend or remove them, or leave them out with data.unreadable = "skip"
    "#);
    place.data.unreadable = Unreadable::Skip;
    let message = place.message();
    assert_eq!(
        message,
        "`y` has 1 picture: with so few, none can be held out to test; add pictures, or test images of their own"
    );
}
