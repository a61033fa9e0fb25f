//! CIFAR-100: 50,000 training and 10,000 test images in its official binary version, of 100 classes or of the 20 groups that
//! these form.

use super::records::Records;
use super::{Counts, DataError, Published, Say, Source, Splits, Survey, Wanted};
use frostline_sweep::trial::DataSpec;
use std::path::Path;

const COUNTS: Counts = Counts { train: 50_000, validation: 0, test: 10_000 };

/// As `fine_label_names.txt` has them.
#[rustfmt::skip]
const FINE: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy", "bridge",
    "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud",
    "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl",
    "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
    "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear",
    "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel",
    "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout",
    "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

/// As `coarse_label_names.txt` has them.
const COARSE: [&str; 20] = [
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
];

/// A record has two labels: the group's, then the class'.
const fn records(label: usize, classes: &'static [&'static str]) -> Records {
    Records {
        train: &["train.bin"],
        test: "test.bin",
        labels: 2,
        label,
        classes,
        wanted: "`data.path` names the folder with train.bin and test.bin of CIFAR-100's binary version (`frostline fetch \
                 cifar100` gets them)",
    }
}

static CLASSES: Published = Published { counts: COUNTS, classes: &FINE };
static GROUPS: Published = Published { counts: COUNTS, classes: &COARSE };

pub struct Cifar100 {
    published: &'static Published,
    records: Records,
}

/// By its 100 classes.
pub static BY_CLASS: Cifar100 = Cifar100 { published: &CLASSES, records: records(1, &FINE) };

/// By its 20 groups of classes.
pub static BY_GROUP: Cifar100 = Cifar100 { published: &GROUPS, records: records(0, &COARSE) };

impl Cifar100 {
    fn hash(&self, folder: &Path) -> Result<String, DataError> {
        let mut hasher = blake3::Hasher::new();
        self.records.hash(folder, &mut hasher)?;
        Ok(hasher.finalize().to_hex().to_string())
    }
}

impl Source for Cifar100 {
    fn published(&self) -> Option<&'static Published> {
        Some(self.published)
    }

    fn survey(&self, wanted: &Wanted, _: Say) -> Result<Survey, DataError> {
        let folder = wanted.place.ok_or(DataError::NoPlace)?;
        self.records.survey(folder, self.hash(folder)?)
    }

    fn digest(&self, place: Option<&Path>) -> Result<Option<String>, DataError> {
        self.hash(place.ok_or(DataError::NoPlace)?).map(Some)
    }

    fn load(&self, _: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
        self.records.load(place.ok_or(DataError::NoPlace)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::PIXELS;
    use std::fs;

    /// Groups and classes of the records, in the training file and in the test file.
    fn folder(train: &[(u8, u8)], test: &[(u8, u8)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, labels) in [("train.bin", train), ("test.bin", test)] {
            let record = |&(group, class): &(u8, u8)| [&[group, class][..], &[class; PIXELS]].concat();
            fs::write(folder.path().join(name), labels.iter().flat_map(record).collect::<Vec<u8>>()).unwrap();
        }
        folder
    }

    #[test]
    fn the_names_are_in_the_order_of_their_labels() {
        assert!(FINE.is_sorted() && COARSE.is_sorted(), "the published lists are in alphabetical order");
        // The first record of the published training file is (11, 19): a large herbivore, cattle.
        assert_eq!((COARSE[11], FINE[19]), ("large_omnivores_and_herbivores", "cattle"));
        assert_eq!((FINE[0], FINE[99], COARSE[19]), ("apple", "worm", "vehicles_2"));
    }

    #[test]
    fn images_have_the_label_of_their_class_or_of_its_group() {
        let folder = folder(&[(11, 19), (15, 29)], &[(4, 0)]);
        let fine = BY_CLASS.records.load(folder.path()).unwrap();
        assert_eq!((fine.train.labels, fine.test.labels), (vec![19, 29], vec![0]));
        assert_eq!((fine.class_names.len(), fine.class_names[29].as_str()), (100, "dinosaur"));
        let coarse = BY_GROUP.records.load(folder.path()).unwrap();
        assert_eq!((coarse.train.labels, coarse.test.labels), (vec![11, 15], vec![4]));
        assert_eq!((coarse.class_names.len(), coarse.class_names[15].as_str()), (20, "reptiles"));
        assert_eq!(coarse.train.pixels[..PIXELS], [19; PIXELS], "both labels stand before the image");
        assert_eq!(BY_GROUP.published().unwrap().classes.len(), 20);
    }

    #[test]
    fn a_label_that_is_none_is_named() {
        let folder = folder(&[(20, 19)], &[(4, 100)]);
        let wrong = |records: &Records| records.load(folder.path()).unwrap_err().to_string();
        assert!(wrong(&BY_GROUP.records).ends_with("train.bin record 0: label 20 is not one of 0 to 19"));
        assert!(wrong(&BY_CLASS.records).ends_with("test.bin record 0: label 100 is not one of 0 to 99"));
    }
}
