//! A network inside of what training scripts write, more than one of them, and values that are none.

use super::*;
use crate::checkpoint::{Item, dict, namespace, numpy_scalar, pth};
use crate::weights::Named;
use frostline_sweep::trial::WeightsIdentity;

/// timm's network, every value raised by `shift`, with `prefix` before each name.
fn state(prefix: &str, shift: f32) -> Vec<(String, Item)> {
    let raised = |values: Vec<f32>| values.into_iter().map(|value| value + shift).collect();
    let item = |(name, shape, values)| (format!("{prefix}{name}"), Item::Tensor(shape, raised(values)));
    pytorch(lite0(), Library::Timm).into_iter().map(item).collect()
}

fn network(prefix: &str, shift: f32) -> Item {
    Item::Dict(state(prefix, shift))
}

/// A checkpoint at `checkpoint.pth` of a folder.
fn saved(item: &Item) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.pth");
    std::fs::write(&path, pth(item)).unwrap();
    (folder, path)
}

fn keyed(path: &Path, key: &str) -> PathBuf {
    PathBuf::from(format!("{}#{key}", path.display()))
}

fn one(name: &str, value: f32) -> (String, Item) {
    (name.to_owned(), Item::Tensor(vec![1], vec![value]))
}

#[test]
fn a_network_is_seen_through_what_stands_around_it() {
    let (_folder, plain) = opened(&pytorch(lite0(), Library::Timm));
    let expected = best_fit(&plain).digest(&plain).unwrap();
    let lightning = [state("model.", 0.0), vec![one("loss.weight", 1.0), one("metric.total", 2.0)]].concat();
    let with_head = [state("backbone.", 0.0), vec![one("head.0.bias", 1.0)]].concat();
    let classified = [
        state("module.", 0.0),
        vec![("module.classifier.weight".to_owned(), Item::Tensor(vec![2, 1280], vec![0.5; 2560]))],
        vec![("module.classifier.bias".to_owned(), Item::Tensor(vec![2], vec![0.5; 2]))],
    ]
    .concat();
    let optimizer = || dict([("state", dict([("0", dict([("exp_avg", Item::Tensor(vec![1], vec![0.0]))]))]))]);
    // (what is written, its root, classes of its classifier, tensors that are left out)
    let cases: [(Item, &str, Option<i64>, usize); 9] = [
        (network("", 0.0), "", None, 0),
        (network("module.", 0.0), "module.", None, 0),
        (Item::Dict(classified), "module.", Some(2), 0),
        (network("model.module.", 0.0), "model.module.", None, 0),
        (Item::Dict(with_head), "backbone.", None, 1),
        (dict([("model", dict([("state_dict", network("", 0.0))]))]), "model.state_dict.", None, 0),
        (dict([("state_dict", Item::Dict(lightning)), ("optimizer", optimizer())]), "state_dict.model.", None, 3),
        (
            dict([("args", namespace()), ("metric", numpy_scalar()), ("state_dict", network("_orig_mod.", 0.0))]),
            "state_dict._orig_mod.",
            None,
            0,
        ),
        (dict([("weird name", network("a.b.c.d.", 0.0))]), "weird name.a.b.c.d.", None, 0),
    ];
    for (item, root, classes, left_out) in cases {
        let (_folder, path) = saved(&item);
        let file = weights::open(&path).unwrap();
        let fit = whole(lite0(), &file).unwrap_or_else(|error| panic!("{root}: {error}"));
        assert_eq!((fit.root.as_str(), fit.classes), (root, classes));
        assert_eq!(fit.digest(&file).unwrap(), expected, "{root}");
        let said = fit.seen_through(&file).unwrap_or_default();
        let under = root.trim_end_matches('.');
        let beside = match left_out {
            0 => "",
            1 => "; one other tensor is left out",
            _ => "; 3 other tensors are left out",
        };
        assert_eq!(said, if root.is_empty() { String::new() } else { format!("under `{under}`{beside}") });
    }
}

#[test]
fn what_does_not_fit_is_named_where_it_lies() {
    let mut tensors = state("module.", 0.0);
    tensors.remove(0);
    tensors.push(one("module.stranger", 1.0));
    tensors.push(one("beside", 1.0));
    let (_folder, path) = saved(&dict([("state_dict", Item::Dict(tensors))]));
    let message = check(lite0(), &weights::open(&path).unwrap()).unwrap_err().to_string();
    let expected = "the weights are not those of efficientnet_lite0 (read with timm's names under `state_dict.module`); \
                    missing of 245: state_dict.module.conv_stem.weight; unexpected: state_dict.module.stranger";
    assert_eq!(message, expected);
}

/// What is said of a file with several networks, and the digests that its keys give.
fn choices(item: &Item, keys: &[&str]) -> (String, Vec<String>) {
    let (_folder, path) = saved(item);
    let file = weights::open(&path).unwrap();
    let message = check(lite0(), &file).unwrap_err().to_string();
    assert!(best_fit(&file).is_ambiguous());
    let of_file = weights::identity(&path).unwrap();
    let mut identities = BTreeSet::new();
    let digest = |key: &&str| {
        let path = keyed(&path, key);
        let file = weights::open(&path).unwrap();
        let identity = identity(lite0(), &path).unwrap();
        assert_ne!(identity, of_file);
        let WeightsIdentity::File(identity) = identity else { panic!("it is a file's") };
        assert!(identities.insert(identity), "{key}: another identity than the others");
        whole(lite0(), &file).unwrap_or_else(|error| panic!("{key}: {error}")).digest(&file).unwrap()
    };
    let digests = keys.iter().map(digest).collect();
    (message.replace(&path.display().to_string(), "FILE"), digests)
}

#[test]
fn of_two_networks_in_one_file_none_is_taken_without_a_word() {
    let of = |shift| {
        let (_folder, path) = saved(&network("", shift));
        let file = weights::open(&path).unwrap();
        best_fit(&file).digest(&file).unwrap()
    };
    let expected = [of(0.0), of(1.0)];
    let (first, second) = (network("", 0.0), network("", 1.0));

    let (said, digests) = choices(
        &dict([("state_dict", first.clone()), ("state_dict_ema", second.clone())]),
        &["state_dict", "state_dict_ema"],
    );
    assert_eq!(
        said,
        "it has such a network 2 times: under `state_dict`, under `state_dict_ema`; name the one that is meant, as in \
         \"FILE#state_dict_ema\""
    );
    assert_eq!(digests, expected);

    let both = [state("student.", 0.0), state("teacher.", 1.0), vec![one("center", 1.0)]].concat();
    let (said, digests) = choices(&dict([("model", Item::Dict(both))]), &["model.student", "model.teacher"]);
    assert!(said.contains("under `model.student`, under `model.teacher`;"), "{said}");
    assert_eq!(digests, expected);

    // One at the top and one below it, in a dictionary and in the same.
    for ema in [vec![("ema".to_owned(), second.clone())], state("ema.", 1.0)] {
        let (said, digests) = choices(&Item::Dict([state("", 0.0), ema].concat()), &["", "ema"]);
        assert!(
            said.contains("2 times: at the top, under `ema`; name the one that is meant, as in \"FILE#ema\""),
            "{said}"
        );
        assert_eq!(digests, expected);
    }
}

#[test]
fn one_dictionary_under_two_keys_is_no_choice() {
    let whole_file = dict([("state_dict", Item::Kept(200, Box::new(network("", 0.0)))), ("model", Item::Again(200))]);
    let (_folder, path) = saved(&whole_file);
    check(lite0(), &weights::open(&path).unwrap()).unwrap();
}

#[test]
fn two_ways_to_name_the_same_tensors_give_one_identity() {
    let (_folder, path) = saved(&dict([("model", dict([("state_dict", network("module.", 0.0))]))]));
    let of_file = weights::identity(&path).unwrap();
    assert_eq!(of_file, WeightsIdentity::File(blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string()));
    for key in ["model", "model.state_dict", "model.state_dict.module"] {
        assert_eq!(identity(lite0(), &keyed(&path, key)).unwrap(), of_file, "{key}");
    }
    assert_eq!(identity(lite0(), &path).unwrap(), of_file);
    assert_eq!(Named::new(&keyed(&path, "model")).key.as_deref(), Some("model"));
    assert!(identity(lite0(), &keyed(&path, "none")).is_err());
}

#[test]
fn values_that_are_no_numbers_are_found_with_the_name_of_their_tensor() {
    let cases = [
        ("bn1.weight", f32::NAN, "its tensor `state_dict.bn1.weight` has NaN at place 3, which is not a number: "),
        (
            "blocks.1.0.conv_pw.weight",
            f32::INFINITY,
            "`state_dict.blocks.1.0.conv_pw.weight` has inf at place 3, which",
        ),
        (
            "bn2.running_mean",
            f32::NEG_INFINITY,
            "`state_dict.bn2.running_mean` has -inf at place 3, which is not a number",
        ),
        (
            "bn1.running_var",
            -0.5,
            "`state_dict.bn1.running_var` has -0.5 at place 3, and a variance is never negative: ",
        ),
    ];
    for (tensor, value, expected) in cases {
        let mut tensors = state("", 0.0);
        let item = tensors.iter_mut().find(|(name, _)| name == tensor).unwrap();
        let Item::Tensor(_, values) = &mut item.1 else { panic!("a tensor") };
        values[3] = value;
        let (_folder, path) =
            saved(&dict([("state_dict", Item::Dict(tensors)), ("best", Item::Tensor(vec![1], vec![f32::NAN]))]));
        let file = weights::open(&path).unwrap();
        let message = check(lite0(), &file).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(
            message.ends_with("the training that wrote it had gone wrong by then, so take an earlier file"),
            "{message}"
        );
        let target = path.with_file_name("none.safetensors");
        assert!(convert(lite0(), &file, &target).unwrap_err().to_string().contains(expected));
        assert!(!target.exists());
    }
}

#[test]
fn values_beside_the_network_may_be_anything_and_a_variance_may_be_zero() {
    let mut tensors = state("", 0.0);
    let item = tensors.iter_mut().find(|(name, _)| name == "bn1.running_var").unwrap();
    item.1 = Item::Tensor(vec![32], vec![-0.0; 32]);
    tensors.push(("classifier.weight".to_owned(), Item::Tensor(vec![2, 1280], vec![f32::NAN; 2560])));
    let (_folder, path) = saved(&Item::Dict(tensors));
    check(lite0(), &weights::open(&path).unwrap()).unwrap();
}

#[test]
fn two_networks_of_different_kinds_are_each_their_own() {
    let v2 = backbone::find("efficientnet_v2_s").unwrap();
    let tensors = [(v2, "big."), (lite0(), "small.")].map(|(architecture, prefix)| {
        let slots = slots(architecture);
        let names = Library::Timm.names(architecture, &slots).unwrap();
        // Zeros: this is of names and shapes.
        let tensor = |(name, slot): (String, &Slot)| {
            let count = slot.shape.iter().product::<i64>() as usize;
            (format!("{prefix}{name}"), slot.shape.clone(), vec![0.0; count])
        };
        names.into_iter().zip(&slots).map(tensor).collect::<Tensors>()
    });
    let (_folder, file) = opened(&tensors.concat());
    for (architecture, root) in [(v2, "big."), (lite0(), "small.")] {
        assert_eq!(whole(architecture, &file).unwrap().root, root);
    }
    // Who names no network has to choose.
    let best = best_fit(&file);
    assert!(best.is_ambiguous() && !best.is_complete());
    assert_eq!(best.roots, ["big.", "small."]);
}
