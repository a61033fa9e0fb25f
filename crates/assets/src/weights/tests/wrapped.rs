//! What people have around tensors: dictionaries, objects, several files, keys.

use super::*;
use crate::checkpoint::{Item, dict, namespace, numpy_scalar, pth, raw, text};

fn tensor(value: f32) -> Item {
    Item::Tensor(vec![2], vec![value, value + 1.0])
}

fn names(bytes: &[u8]) -> Vec<String> {
    let (_folder, path) = written(bytes);
    open(&path).unwrap().names().map(str::to_owned).collect()
}

#[test]
fn dictionaries_around_tensors_stand_before_their_names() {
    let inner = dict([("w", tensor(1.0)), ("epoch", raw(b"K\x05"))]);
    let optimizer = raw(&[&b"}"[..], &text("lr"), b"G\x3f\xe0\0\0\0\0\0\0s"].concat());
    let whole = dict([("model", dict([("state_dict", inner)])), ("optimizer", optimizer), ("v", tensor(5.0))]);
    let (_folder, path) = written(&pth(&whole));
    let file = open(&path).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["model.state_dict.w", "v"]);
    assert_eq!((file.home("model.state_dict.w"), file.home("v")), ("model.state_dict.".len(), 0));
    assert_eq!(file.f32("model.state_dict.w").unwrap(), [1.0, 2.0]);
}

#[test]
fn objects_beside_tensors_are_left_alone() {
    // Of protocols 2 to 5: objects with state, arguments, keywords and items; bytes, sets, large numbers.
    let objects: [(&str, Item); 9] = [
        ("args", namespace()),
        ("loss", numpy_scalar()),
        ("enum", raw(&[&b"cmine\nColour\nK\x01\x85R"[..]].concat())),
        ("path", raw(&[&b"cpathlib\nPosixPath\n("[..], &text("/"), &text("data"), b"tR"].concat())),
        ("keywords", raw(b"cmine\nThing\n)}\x92}b")),
        ("stacked", raw(b"\x8c\x04mine\x8c\x05Thing\x93)\x81\x94}b")),
        ("bytes", raw(b"C\x02\xff\xfe0\x8e\x01\0\0\0\0\0\0\0\xff0\x96\x01\0\0\0\0\0\0\0\xff")),
        ("sets", raw(b"\x8f(K\x01K\x02\x900(K\x01\x91")),
        ("list", raw(b"cmine\nStack\n)\x81(K\x01K\x02e\x8b\x02\0\0\0\x01\x000")),
    ];
    let items = objects.map(|(key, object)| (key.to_owned(), object));
    let tensors = [("w".to_owned(), tensor(1.0))];
    let (_folder, path) = written(&pth(&Item::Dict(items.into_iter().chain(tensors).collect())));
    let file = open(&path).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["w"]);
    let skipped: Vec<&str> = file.skipped().collect();
    let expected = ["_codecs.encode", "argparse.Namespace", "mine.Colour", "mine.Stack", "mine.Thing"];
    assert_eq!(skipped[..5], expected);
    assert_eq!(skipped[5..], ["numpy.core.multiarray.scalar", "numpy.dtype", "pathlib.PosixPath"]);
}

#[test]
fn a_subclass_of_a_dictionary_is_one() {
    let makers: [&[u8]; 4] = [
        b"ccollections\nOrderedDict\n)R",
        b"cmine\nState\n)R",
        b"cmine\nState\n)\x81",
        b"ccollections\ndefaultdict\ncmine\nfactory\n\x85R",
    ];
    for maker in makers {
        let state = Item::Made(maker, vec![("w".to_owned(), tensor(1.0))]);
        assert_eq!(names(&pth(&state)), ["w"]);
        assert_eq!(names(&pth(&dict([("state_dict", state)]))), ["state_dict.w"]);
    }
}

#[test]
fn an_attack_beside_tensors_is_still_named() {
    let attacks: [(&[u8], &str); 4] = [
        (b"cos\nsystem\nX\x04\0\0\0true\x85R", "os.system"),
        (b"cbuiltins\neval\nX\x01\0\0\x001\x85R", "builtins.eval"),
        (b"\x8c\x0asubprocess\x8c\x05Popen\x93)R", "subprocess.Popen"),
        (b"cos.path\njoin\n)R", "os.path.join"),
    ];
    for (attack, name) in attacks {
        let message = refusal(&pth(&dict([("w", tensor(1.0)), ("x", raw(attack))])));
        assert!(message.starts_with(&format!("FILE wants to run code when loaded: it names `{name}`")), "{message}");
    }
}

#[test]
fn a_model_that_was_saved_as_an_object_says_what_to_save() {
    let state = b"cmine.nets\nEfficientNet\n)\x81}b";
    let message = refusal(&pth(&raw(state)));
    let expected = "it holds an object of the Python class mine.nets.EfficientNet instead of tensors: save the model's `state_dict()`";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn parameters_and_subclasses_are_tensors_and_complex_ones_are_left_out() {
    let plain = pth(&dict([("w", tensor(1.0))]));
    let start = plain.windows(13).position(|window| window == b"ctorch._utils").unwrap();
    let end = plain.windows(4).position(|window| window == b")RtR").unwrap() + 4;
    let tensor = plain[start..end].to_vec();
    let storage = ("archive/data/0".to_owned(), [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect());
    let file = |value: Vec<u8>| {
        let table = [&b"\x80\x02}("[..], &text("v"), &tensor, &text("w"), &value, b"u."].concat();
        crate::checkpoint::zip(&[("archive/data.pkl".to_owned(), table), storage.clone()])
    };
    let call = b"ctorch._utils\n_rebuild_tensor_v2\n".len();
    let parameter = |inner: &[u8]| {
        [b"ctorch._utils\n_rebuild_parameter\n(", inner, b"\x88ccollections\nOrderedDict\n)RtR"].concat()
    };
    let typed = [
        &b"ctorch._tensor\n_rebuild_from_type_v2\n("[..],
        &tensor[..call],
        b"ctorch\nTensor\n",
        &tensor[call..tensor.len() - 1],
        b"}tR",
    ]
    .concat();
    for value in [parameter(&tensor), parameter(&parameter(&tensor)), typed] {
        let (_folder, path) = written(&file(value));
        assert_eq!(open(&path).unwrap().f32("w").unwrap(), [1.0, 2.0]);
    }
    let place = tensor.windows(13).position(|window| window == b"FloatStorage\n").unwrap();
    let complex = [&tensor[..place], b"ComplexFloatStorage\n", &tensor[place + 13..]].concat();
    assert_eq!(names(&file(complex)), ["v"]);
    // As deep as a file likes: no call goes as deep.
    let deep = (0..100_000).fold(Vec::new(), |mut deep, _| {
        deep.extend(b"ctorch._utils\n_rebuild_parameter\n(");
        deep
    });
    let deep = [deep, tensor.clone(), b"tR".repeat(100_000)].concat();
    assert!(refusal(&file(deep)).contains("tensor `w` makes no sense"));
}

#[test]
fn dictionaries_that_hold_themselves_or_share_a_name_end_in_an_error_or_stop() {
    let itself = raw(&[&b"}q\x07("[..], &text("a"), b"h\x07u"].concat());
    assert_eq!(names(&pth(&dict([("w", tensor(1.0)), ("x", itself)]))), ["w"]);
    // Each holds the one before twice, 2^40 paths to the innermost.
    let mut doubled = b"}".to_vec();
    for _ in 0..40 {
        doubled.extend(b"q\x070}(");
        doubled.extend([text("a"), b"h\x07".to_vec(), text("b"), b"h\x07u".to_vec()].concat());
    }
    assert_eq!(names(&pth(&dict([("w", tensor(1.0)), ("x", raw(&doubled))]))), ["w"]);
    let clash = dict([("a.b", dict([("c", tensor(1.0))])), ("a", dict([("b.c", tensor(5.0))]))]);
    assert!(refusal(&pth(&clash)).ends_with("two of its tensors are called `a.b.c`"));
}

#[test]
fn a_big_endian_archive_is_refused() {
    let members =
        [("archive/byteorder".to_owned(), b"big".to_vec()), ("archive/data.pkl".to_owned(), b"\x80\x02}.".to_vec())];
    assert!(refusal(&crate::checkpoint::zip(&members)).contains("big-endian"));
}

#[test]
fn a_key_leaves_what_lies_under_it() {
    let whole = dict([("state_dict", dict([("w", tensor(1.0))])), ("state_dict_ema", dict([("w", tensor(3.0))]))]);
    let (_folder, path) = written(&pth(&whole));
    let key = |key: &str| open(Path::new(&format!("{}#{key}", path.display())));
    let ema = key("state_dict_ema").unwrap();
    assert_eq!(ema.names().collect::<Vec<_>>(), ["state_dict_ema.w"]);
    assert_eq!((ema.key(), ema.left_out()), (Some("state_dict_ema"), 1));
    assert_eq!(key("").unwrap().names().count(), 2, "the top has everything below it");
    for wrong in ["state", "state_dict.w", "none"] {
        let message = key(wrong).err().unwrap().to_string().replace(&path.display().to_string(), "FILE");
        let expected =
            format!("FILE has no tensors under `{wrong}`: it has some under `state_dict`, `state_dict_ema`");
        assert_eq!(message, expected);
    }
}

#[test]
fn a_file_whose_own_name_has_the_sign_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a#1");
    std::fs::create_dir(&inner).unwrap();
    let plain = inner.join("w.pth");
    std::fs::write(&plain, pth(&dict([("ema", dict([("w", tensor(1.0))])), ("v", tensor(3.0))]))).unwrap();
    let named = |name: &str| Named::new(&inner.join(name));
    assert_eq!(named("w.pth"), Named { file: plain.clone(), key: None });
    assert_eq!(named("w.pth#ema"), Named { file: plain.clone(), key: Some("ema".to_owned()) });
    let literal = inner.join("w.pth#ema");
    std::fs::write(&literal, pth(&dict([("own", tensor(5.0))]))).unwrap();
    assert_eq!(named("w.pth#ema"), Named { file: literal.clone(), key: None });
    assert_eq!(open(&literal).unwrap().names().collect::<Vec<_>>(), ["own"]);
    assert_eq!(named("w.pth#ema#own"), Named { file: literal, key: Some("own".to_owned()) });
    assert!(!named("none.pth#ema").is_there());
}

/// Two files with a tensor each, and their index.
fn sharded(folder: &Path, stem: &str, extension: &str, file: impl Fn(&str, f32) -> Vec<u8>) -> [PathBuf; 3] {
    let name = |number| format!("{stem}-0000{number}-of-00002.{extension}");
    let places = [1, 2].map(|number| folder.join(name(number)));
    std::fs::write(&places[0], file("a", 1.0)).unwrap();
    std::fs::write(&places[1], file("b", 3.0)).unwrap();
    let index = folder.join(format!("{stem}.{extension}.index.json"));
    let map =
        format!(r#"{{"metadata": {{"total_size": 16}}, "weight_map": {{"a": "{}", "b": "{}"}}}}"#, name(1), name(2));
    std::fs::write(&index, map).unwrap();
    let [first, second] = places;
    [index, first, second]
}

fn one_safetensors(name: &str, value: f32) -> Vec<u8> {
    let table = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
    safetensors(&table, &[value.to_le_bytes(), (value + 1.0).to_le_bytes()].concat())
}

#[test]
fn weights_in_several_files_are_read_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let of_pytorch = |name: &str, value: f32| pth(&dict([(name, tensor(value))]));
    for places in [
        sharded(folder.path(), "model", "safetensors", one_safetensors),
        sharded(folder.path(), "pytorch_model", "bin", of_pytorch),
    ] {
        let whole = identity(&places[0]).unwrap();
        for place in &places {
            let file = open(place).unwrap();
            assert_eq!((file.names().collect::<Vec<_>>(), file.files()), (vec!["a", "b"], 2), "{}", place.display());
            assert_eq!([file.f32("a").unwrap(), file.f32("b").unwrap()], [[1.0, 2.0], [3.0, 4.0]]);
            assert_eq!(identity(place).unwrap(), whole);
        }
        let mut bytes = std::fs::read(&places[2]).unwrap();
        let value = bytes.windows(4).rposition(|window| window == 4.0f32.to_le_bytes()).unwrap();
        bytes[value..value + 4].copy_from_slice(&9.0f32.to_le_bytes());
        std::fs::write(&places[2], bytes).unwrap();
        assert_ne!(identity(&places[1]).unwrap(), whole, "another value in the other file");
    }
}

#[test]
fn what_is_wrong_with_several_files_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [index, first, second] = sharded(folder.path(), "model", "safetensors", one_safetensors);
    let message = |path: &Path| {
        let message = open(path).err().expect("refused").to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    };
    let with_index = |text: &str| {
        std::fs::write(&index, text).unwrap();
        message(&first)
    };
    let name = second.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        with_index(&format!(r#"{{"weight_map": {{"c": "{name}"}}}}"#)),
        format!("{name} is damaged or cut short: model.safetensors.index.json has `c` in it, and it has not")
    );
    for elsewhere in ["../x", "/etc/passwd", "", "a/b"] {
        let said = with_index(&format!(r#"{{"weight_map": {{"c": "{elsewhere}"}}}}"#));
        let expected = "model.safetensors.index.json is damaged or cut short: it has `c` in `";
        assert_eq!(said, format!("{expected}{elsewhere}`, which is not a file beside it"));
    }
    assert!(with_index("{}").contains("as an index: missing field `weight_map`"));
    assert!(with_index(r#"{"weight_map": {}}"#).contains("it names no tensors"));
    assert!(with_index(r#"{"weight_map": {"a": "gone"}}"#).starts_with("cannot read gone: No such file"));
    std::fs::remove_file(&index).unwrap();
    assert_eq!(
        message(&second),
        format!(
            "{name} is not a weights file that Frostline knows: it is one of 2 files that are weights together, and \
             model.safetensors.index.json, which says what is in which, is not beside it"
        )
    );
}
