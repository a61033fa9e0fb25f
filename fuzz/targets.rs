//! What reads bytes of others, each as one function that must neither panic nor break its own promises, whatever it is
//! given. `tests/fuzz.rs` calls them with changed inputs of `fuzz/corpus`; `cargo fuzz` could call the same functions.

use bytes::BytesMut;
use frostline_assets::weights;
use frostline_protocol::codec::{Messages, encode, read_message};
use frostline_protocol::{FromWorker, Greeting, Response, ToWorker};
use frostline_sweep::definition::Definition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;
use tokio_util::codec::Decoder;

/// The connection: what is read is what the other way of reading reads, and can be sent again.
pub fn codec(bytes: &[u8]) {
    messages::<Greeting>(bytes);
    messages::<FromWorker>(bytes);
    messages::<ToWorker>(bytes);
    messages::<Response>(bytes);
}

fn messages<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let mut reader = bytes;
    let mut codec = Messages::<T, T>::default();
    let mut buffer = BytesMut::from(bytes);
    loop {
        let message = match (read_message::<T>(&mut reader), codec.decode_eof(&mut buffer)) {
            (Ok(Some(one)), Ok(Some(other))) => {
                assert_eq!(one, other);
                one
            }
            (Ok(None), Ok(None)) => return,
            (Err(one), Err(other)) => return assert_eq!(one.to_string(), other.to_string()),
            (one, other) => panic!("{one:?} and {other:?}"),
        };
        let mut frame = Vec::new();
        encode(&message, &mut frame).expect("what was read can be sent");
        assert_eq!(read_message::<T>(&mut frame.as_slice()).expect("what was sent can be read"), Some(message));
    }
}

/// A sweep definition: an error has a place, and what is accepted is accepted again in the form that is stored, with the
/// same meaning.
pub fn definition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let set = [("train.epochs", "7"), ("data.test_limit", "50"), ("cache.features", "off"), ("keep.count", "2")];
    let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
    for overrides in [&set[..0], &set] {
        match Definition::parse("fuzz.toml", &text, overrides) {
            Ok(definition) => {
                let again =
                    Definition::parse("fuzz.toml", &definition.text, &[]).expect("what was accepted stays so");
                assert_eq!(format!("{again:?}"), format!("{definition:?}"));
            }
            Err(errors) => {
                let said = errors.to_string();
                assert!(said.contains("fuzz.toml") || said.contains("--set"), "{said}");
            }
        }
    }
}

/// A weights file at `path`: whatever it claims, its tensors hold what the file has, and nothing it names is run.
pub fn weights(path: &Path) {
    /// Elements of the largest tensor of the corpus, and more.
    const MOST: i64 = 1 << 16;
    let Ok(opened) = weights::open(path) else { return };
    for name in opened.names() {
        let shape = opened.shape(name).expect("a name that is listed has a shape");
        let elements = shape.iter().try_fold(1i64, |product, length| product.checked_mul(*length));
        let elements = elements.expect("a shape that was accepted can be counted");
        if elements <= MOST
            && let Ok(values) = opened.f32(name)
        {
            assert_eq!(values.len() as i64, elements, "{name}");
        }
    }
}
