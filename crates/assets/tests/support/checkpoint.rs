//! Checkpoints of PyTorch as `torch.save` writes them, put together byte by byte: a zip archive with a pickle of protocol 2
//! and a file for each tensor.

/// A value in a checkpoint. Not every test that includes this file has use for all of them.
#[allow(dead_code)]
#[derive(Clone)]
pub enum Item {
    Tensor(Vec<i64>, Vec<f32>),
    Dict(Vec<(String, Item)>),
    /// A dictionary that is made so, instead of by `}`.
    Made(&'static [u8], Vec<(String, Item)>),
    /// Something else, as it is pickled.
    Raw(Vec<u8>),
    /// A value that the pickle remembers under this number.
    Kept(u8, Box<Item>),
    /// The very value that it remembers.
    Again(u8),
}

pub fn dict<const N: usize>(items: [(&str, Item); N]) -> Item {
    Item::Dict(items.map(|(key, item)| (key.to_owned(), item)).into())
}

pub fn raw(pickled: &[u8]) -> Item {
    Item::Raw(pickled.to_owned())
}

/// `argparse.Namespace(lr=0.5)`: its attributes are state, not items.
pub fn namespace() -> Item {
    raw(&[&b"cargparse\nNamespace\n)\x81}"[..], &text("lr"), b"G\x3f\xe0\0\0\0\0\0\0sb"].concat())
}

/// `numpy.float64(0.5)`, as pickles of protocol 2 have it: bytes are made by a function there.
pub fn numpy_scalar() -> Item {
    let dtype = [&b"cnumpy\ndtype\n"[..], &text("f8"), b"\x89\x88\x87R(K\x03", &text("<")].concat();
    let state = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb";
    let bytes = [&b"c_codecs\nencode\n"[..], &text("\0\0\0\0\0\0\u{e0}?"), &text("latin1"), b"\x86R"].concat();
    raw(&[&b"cnumpy.core.multiarray\nscalar\n"[..], &dtype, state, &bytes, b"\x86R"].concat())
}

/// A text in a pickle.
pub fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// A whole file.
pub fn pth(root: &Item) -> Vec<u8> {
    let mut storages = Vec::new();
    let mut table = b"\x80\x02".to_vec();
    pickle(root, &mut table, &mut storages);
    table.push(b'.');
    let data = storages.into_iter().enumerate().map(|(number, bytes)| (format!("archive/data/{number}"), bytes));
    zip(&[("archive/data.pkl".to_owned(), table)].into_iter().chain(data).collect::<Vec<_>>())
}

fn pickle(item: &Item, out: &mut Vec<u8>, storages: &mut Vec<Vec<u8>>) {
    match item {
        Item::Raw(bytes) => out.extend(bytes),
        Item::Kept(slot, item) => {
            pickle(item, out, storages);
            out.extend([b'q', *slot]);
        }
        Item::Again(slot) => out.extend([b'h', *slot]),
        Item::Dict(items) => pickle(&Item::Made(b"}", items.clone()), out, storages),
        Item::Made(maker, items) => {
            out.extend(*maker);
            out.push(b'(');
            for (key, item) in items {
                out.extend(text(key));
                pickle(item, out, storages);
            }
            out.push(b'u');
        }
        Item::Tensor(shape, values) => {
            let number = |out: &mut Vec<u8>, number: i64| {
                out.push(b'J');
                out.extend(i32::try_from(number).unwrap().to_le_bytes());
            };
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            out.extend(text("storage"));
            out.extend(b"ctorch\nFloatStorage\n");
            out.extend(text(&storages.len().to_string()));
            out.extend(text("cpu"));
            number(out, values.len() as i64);
            out.extend(b"tQK\x00(");
            shape.iter().for_each(|&size| number(out, size));
            out.extend(b"t(");
            (0..shape.len()).for_each(|axis| number(out, shape[axis + 1..].iter().product()));
            out.extend(b"t\x89ccollections\nOrderedDict\n)RtR");
            storages.push(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        }
    }
}

/// An archive whose members are stored as they are. Readers that look for the bytes only do not ask for checksums.
pub fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let (start, size) = (out.len() as u32, (content.len() as u32).to_le_bytes());
        // Version, flags, method, time and date, checksum, sizes, length of the name, none of more.
        let facts = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &[0; 4],
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        out.extend([&b"PK\x03\x04"[..], &facts, name.as_bytes(), content].concat());
        let entry = [&b"PK\x01\x02\x14\0"[..], &facts, &[0; 10], &start.to_le_bytes(), name.as_bytes()];
        table.extend(entry.concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (start, size) = ((out.len() as u32).to_le_bytes(), (table.len() as u32).to_le_bytes());
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &start, &[0; 2]].concat();
    [out, table, end].concat()
}
