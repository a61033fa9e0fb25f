//! The text of a first sweep: what was found, and beside it in comments what else could stand there.

use frostline_assets::data::Counted;
use frostline_sweep::backbone::Architecture;
use frostline_sweep::dataset::Dataset;
use frostline_sweep::definition::toml_string;

/// Training images that a first look takes of a large data set.
const FIRST_LOOK: usize = 2_000;
/// Test images of it.
const FIRST_TEST: usize = 500;
/// How deep the second and the third value freeze, as shares of all layers: the last block before them ends it.
const SHARES: [f64; 2] = [0.8, 0.55];

/// The images to train on.
pub(super) enum Wanted {
    Drawn,
    /// None where the catalogue's place is meant.
    Cifar10(Option<String>),
    /// Read as this data set.
    Pictures(Dataset, String, Counted),
}

/// What a sweep is made of.
pub(super) struct Starter<'a> {
    pub(super) name: &'a str,
    pub(super) images: Wanted,
    pub(super) architecture: &'static Architecture,
    /// "random", a name of the catalogue or a file.
    pub(super) weights: &'a str,
    /// What is to be said of them, such as that they will be downloaded.
    pub(super) of_weights: &'a str,
    /// Where the schema lies, seen from the sweep.
    pub(super) schema: &'a str,
}

impl Starter<'_> {
    pub(super) fn text(&self) -> String {
        let network = self.architecture.name;
        let mut text = format!(
            "#:schema {}\n\n\
             # How deep to freeze {network}, and which optimizer is best?\n\
             # Every combination of the values in [grid] is one trial.\n\
             # All keys: frostline help keys\n\n\
             [sweep]\n",
            self.schema
        );
        text += &format!("name = {}\n", toml_string(self.name));
        text += &line("objective = \"val_accuracy\"", "what trials are ranked by; or \"val_loss\"");
        text += &line("# seeds = [0, 1, 2]", "each combination once per seed: what is luck?");
        text += "\n[data]\n";
        text += &match &self.images {
            Wanted::Drawn => drawn(),
            Wanted::Cifar10(path) => cifar10(path.as_deref()),
            Wanted::Pictures(dataset, path, counted) => pictures(*dataset, path, counted),
        };
        text += "\n[model]\n";
        text += &format!("backbone = {}\n", toml_string(network));
        text += &line(&format!("weights = {}", toml_string(self.weights)), self.of_weights);
        text += &format!(
            "\n[grid]\n\
             # How many layers stay frozen: \"all\", a share (0.9), a count as Keras counts\n\
             # `model.layers`, or a block: frostline layers {network} --blocks\n\
             # The more a trial trains, the longer it takes.\n"
        );
        text += &format!("frozen_layers = [{}]\n", depths(self.architecture));
        text += &line("optimizer = [\"adam\", \"rmsprop\"]", "also \"sgd\" and \"adamw\"");
        text += &line("# learning_rate = [1e-3, 1e-4]", "moved here from [train], an axis");
        text += "\n[train]\nepochs = 5\nbatch_size = 50\nlearning_rate = 1e-3\n";
        text += &line("head_units = [64]", "dense layers on top; the classifier follows");
        text += &line("# head_dropout = [0.5]", "after each of them");
        text += "\n# [keep]\n";
        text + &line("# count = 5", "so many of the best leave their model")
    }
}

/// What stands there, and what is to be said of it in the same column.
fn line(code: &str, comment: &str) -> String {
    format!("{code:<32} # {comment}\n")
}

/// Of all images.
fn size(pixels: u32) -> String {
    line(&format!("image_size = {pixels}"), "pixels a side; more is slower, often better")
}

/// Of images that are not divided yet.
fn validation(share: f64) -> String {
    line(&format!("validation = {share}"), "share of them that trials are compared on")
}

fn drawn() -> String {
    [
        line("dataset = \"shapes\"", "drawn by the program, to begin without files"),
        line("# dataset = \"folder\"", "or your own pictures, a folder for each class"),
        "# path = \"pictures\"\n".to_owned(),
        size(64),
        line(&format!("train_limit = {FIRST_LOOK}"), "of its 4000 training images, for a first look"),
        format!("test_limit = {FIRST_TEST}\n"),
        validation(0.3),
    ]
    .concat()
}

fn cifar10(path: Option<&str>) -> String {
    [
        "dataset = \"cifar10\"\n".to_owned(),
        match path {
            Some(path) => format!("path = {}\n", toml_string(path)),
            None => line("# path = \"FOLDER\"", "else what `frostline fetch cifar10` gets"),
        },
        size(64),
        line(&format!("train_limit = {FIRST_LOOK}"), "for a first look; without limits all 60,000"),
        format!("test_limit = {FIRST_TEST}\n"),
        validation(0.3),
    ]
    .concat()
}

fn pictures(dataset: Dataset, path: &str, counted: &Counted) -> String {
    let Counted { classes, train, validation: own, test } = counted;
    let mut text = line(
        &format!("dataset = {}", toml_string(dataset.name())),
        &format!("{} classes: {}", classes.len(), listed(classes)),
    );
    text += &format!("path = {}\n", toml_string(path));
    text += &size(128);
    text += &line("# fit = \"crop\"", "pictures become squares; or \"pad\", \"stretch\"");
    if *train > 2 * FIRST_LOOK {
        let comment = format!("of {train}, for a first look");
        text += &line(&format!("train_limit = {FIRST_LOOK}"), &comment);
    }
    if *own == 0 {
        text += &validation(0.2);
    }
    if *test == 0 {
        text += &line("test_share = 0.1", "share of each class that is held out");
    } else if *test > 2 * FIRST_TEST {
        text += &line(&format!("test_limit = {FIRST_TEST}"), &format!("of {test}"));
    }
    text
}

/// Names of classes on one line; a comment may hold no line's end.
fn listed(classes: &[String]) -> String {
    const SHOWN: usize = 4;
    let plain = |class: &String| class.chars().filter(|c| !c.is_control()).take(20).collect::<String>();
    let shown: Vec<String> = classes.iter().take(SHOWN).map(plain).collect();
    let more = if classes.len() > SHOWN { ", …" } else { "" };
    shown.join(", ") + more
}

/// All layers, and those up to two blocks, as TOML writes them in a list.
fn depths(architecture: &Architecture) -> String {
    let segments = architecture.segments();
    let through = |share: f64| {
        let cut = architecture.cut_at((share * f64::from(architecture.layer_count())) as u32).max(1);
        segments.get(cut as usize - 1).map_or("stem", |segment| segment.name.as_str())
    };
    let names = std::iter::once("all").chain(SHARES.map(through));
    names.map(toml_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::backbone;
    use frostline_sweep::definition::Definition;

    fn counted(train: usize, validation: usize, test: usize) -> Counted {
        Counted { classes: ["cat", "do\ng"].map(str::to_owned).to_vec(), train, validation, test }
    }

    fn read(images: Wanted, architecture: &'static Architecture, weights: &str) -> Definition {
        let of_weights = "here already";
        let starter =
            Starter { name: "first", images, architecture, weights, of_weights, schema: "./sweep.schema.json" };
        let text = starter.text();
        assert!(text.starts_with("#:schema ./sweep.schema.json\n"), "{text}");
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{wide:?}");
        Definition::parse("first.toml", &text, &[]).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    }

    #[test]
    fn every_variant_is_a_sound_definition_of_six_trials() {
        for name in backbone::names() {
            let architecture = backbone::find(name).unwrap();
            for (images, dataset) in [
                (Wanted::Drawn, Dataset::Shapes),
                (Wanted::Cifar10(None), Dataset::Cifar10),
                (Wanted::Cifar10(Some("da\"ta/cifar".into())), Dataset::Cifar10),
                (Wanted::Pictures(Dataset::Folder, "pets".into(), counted(20, 0, 0)), Dataset::Folder),
                (Wanted::Pictures(Dataset::Parquet, "pe\\ts".into(), counted(50_000, 100, 9_000)), Dataset::Parquet),
            ] {
                let path = match &images {
                    Wanted::Drawn => None,
                    Wanted::Cifar10(path) => path.clone(),
                    Wanted::Pictures(_, path, _) => Some(path.clone()),
                };
                let definition = read(images, architecture, "some \"file\".pth");
                assert_eq!(definition.data.dataset, dataset);
                assert_eq!(definition.data.path.map(|path| path.display().to_string()), path);
                assert_eq!(definition.networks[0].architecture.name, name);
                assert_eq!(definition.networks[0].weights, "some \"file\".pth");
                assert_eq!(definition.axes.iter().map(|axis| axis.values.len()).collect::<Vec<_>>(), [3, 2]);
            }
        }
    }

    #[test]
    fn a_first_look_at_many_pictures_takes_some_of_them() {
        let lite0 = backbone::find("efficientnet_lite0").unwrap();
        let data = |counted| read(Wanted::Pictures(Dataset::Folder, "p".into(), counted), lite0, "random").data;
        let (few, many) = (data(counted(3_000, 0, 0)), data(counted(5_000, 10, 2_000)));
        assert_eq!((few.train_limit, few.test_limit), (None, None));
        assert_eq!((many.train_limit, many.test_limit), (Some(2_000), Some(500)));
    }

    #[test]
    fn what_stands_in_comments_can_be_used() {
        let lite0 = backbone::find("efficientnet_lite0").unwrap();
        let images = || Wanted::Pictures(Dataset::Folder, "p".into(), counted(20, 0, 0));
        let starter = |images| Starter {
            name: "first",
            images,
            architecture: lite0,
            weights: "random",
            of_weights: "",
            schema: "./sweep.schema.json",
        };
        let text = starter(images()).text();
        let used: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                // Keys and sections, and no sentences.
                Some(rest)
                    if rest.starts_with('[') || rest.split(" = ").next().is_some_and(|key| !key.contains(' ')) =>
                {
                    rest
                }
                _ => line,
            })
            .filter(|line| *line != "learning_rate = 1e-3")
            .map(|line| format!("{line}\n"))
            .collect();
        let definition =
            Definition::parse("first.toml", &used, &[]).unwrap_or_else(|errors| panic!("{errors}\n{used}"));
        assert_eq!((definition.seeds, definition.axes.len()), (vec![0, 1, 2], 3));
        assert_eq!(definition.keep.count, 5);
    }
}
