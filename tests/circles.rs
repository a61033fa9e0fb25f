//! No module of a crate uses one that uses it back, by whichever way round: such modules are one, cut in two.
//!
//! Read from the text. A crate's root uses all of its modules and is used by all of them, so it is left out, and so are
//! tests beside the code. In a folder, the modules of the folder are held against each other in the same way.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module path, such as `["net", "peer"]`, of everything with a file of its own; the root is `[]`.
type Module = Vec<String>;

/// The files of one crate, tests left out.
struct Sources {
    /// What a module's file says, without comments, texts and tests.
    text: BTreeMap<Module, String>,
    /// Where it lies, for messages.
    file: BTreeMap<Module, String>,
}

impl Sources {
    /// Everything below `folder`, in which `main.rs` or `lib.rs` is the crate's root.
    fn read(folder: &Path) -> Sources {
        let mut sources = Sources { text: BTreeMap::new(), file: BTreeMap::new() };
        sources.add(folder, &Vec::new());
        sources
    }

    fn add(&mut self, folder: &Path, above: &Module) {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let module: Module = match stem.as_str() {
                "lib" | "main" if above.is_empty() => Vec::new(),
                "mod" => above.clone(),
                "tests" => continue,
                _ => above.iter().cloned().chain([stem]).collect(),
            };
            if path.is_dir() {
                self.add(&path, &module);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.put(module, path.display().to_string(), &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn put(&mut self, module: Module, file: String, text: &str) {
        self.text.insert(module.clone(), without_tests(&code(text)));
        self.file.insert(module, file);
    }

    /// The modules of this crate that `module` uses.
    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let mut used = BTreeSet::new();
        for path in paths(&self.text[module]) {
            let Some(absolute) = absolute(&path, module) else { continue };
            // `crate::a::b::Item`: the longest beginning that is a module.
            let length = (0..=absolute.len()).rev().find(|length| self.text.contains_key(&absolute[..*length]));
            let Some((found, rest)) = length.map(|length| absolute.split_at(length)) else { continue };
            let home = rest.first().and_then(|name| self.home(found, name));
            used.insert(home.unwrap_or_else(|| found.to_vec()));
        }
        used
    }

    /// The module below `folder` whose `name` the folder's own file shows as its own: `pub use child::Name`.
    fn home(&self, folder: &[String], name: &str) -> Option<Module> {
        let text = &self.text[folder];
        text.match_indices("use ").find_map(|(place, _)| {
            let mut shown = Vec::new();
            branches(&text[place + "use ".len()..], &mut Vec::new(), &mut shown);
            let path = shown.into_iter().find(|path| path.last().is_some_and(|last| last == name))?;
            let names = path.into_iter().filter(|name| name != "self");
            let whole: Module = folder.iter().cloned().chain(names).collect();
            (folder.len() + 1..whole.len())
                .rev()
                .map(|length| whole[..length].to_vec())
                .find(|module| self.text.contains_key(module))
        })
    }

    /// Who uses whom among the modules right below `above`, each with all that is below it.
    fn children(&self, above: &Module) -> BTreeMap<String, BTreeSet<String>> {
        let child = |module: &Module| (module.len() > above.len()).then(|| module[above.len()].clone());
        let below = |module: &&Module| module.starts_with(above) && module.len() > above.len();
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for module in self.text.keys().filter(below) {
            let from = child(module).expect("a module below has a name there");
            let to = self.used_by(module);
            let to = to.iter().filter(below).filter_map(child).filter(|to| *to != from);
            graph.entry(from.clone()).or_default().extend(to);
        }
        graph
    }

    /// One sentence for each circle, with its files.
    fn circles(&self) -> Vec<String> {
        let folders: BTreeSet<Module> =
            self.text.keys().flat_map(|module| (0..module.len()).map(|length| module[..length].to_vec())).collect();
        let mut found = Vec::new();
        for folder in folders {
            let graph = self.children(&folder);
            for (circle, others) in circles(&graph) {
                let named = |name: &String| {
                    let module: Module = folder.iter().cloned().chain([name.clone()]).collect();
                    let file = self.file.get(&module).map_or("", String::as_str);
                    format!("{} ({file})", module.join("::"))
                };
                let names: Vec<String> = circle.iter().chain(circle.first()).map(named).collect();
                let others: Vec<String> = others.iter().map(named).collect();
                let others = if others.is_empty() {
                    String::new()
                } else {
                    format!("; and by other ways {}", others.join(", "))
                };
                found.push(format!("{}{others}", names.join(" -> ")));
            }
        }
        found
    }
}

/// The text without comments and without what stands in quotes, lines kept.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") {
            let marks = rest[1..].chars().take_while(|mark| *mark == '#').count();
            let open = format!("{}\"", "#".repeat(marks));
            let close = format!("\"{}", "#".repeat(marks));
            let begun = 1 + open.len();
            // `r#type` is a name.
            let is_text = rest[1..].starts_with(&open) && !code.ends_with(|last: char| last.is_alphanumeric());
            let end = rest.get(begun..).and_then(|inside| inside.find(&close));
            if is_text { end.map_or(rest.len(), |end| begun + end + close.len()) } else { 0 }
        } else if next == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|mark| {
                let ends = mark == '"' && !escaped;
                escaped = mark == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            // A mark in single quotes: it may be a quote, or begin with a backslash.
            rest[2..].find('\'').map_or(1, |end| end + 3)
        } else {
            0
        };
        if skipped > 0 {
            rest = &rest[skipped..];
            code.push(' ');
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

/// Leaves out every item that is compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let end = after.find([';', '{']).unwrap_or(after.len());
        rest = if after[end..].starts_with('{') { &after[end + block(&after[end..])..] } else { &after[end..] };
    }
    kept + rest
}

/// Length of the block in braces that a text begins with.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (place, mark) in text.char_indices() {
        match mark {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    text.len()
}

/// Every path that begins with `crate`, `super` or `self`, with its branches spelt out: `crate::{a, b::{C, D}}` is
/// `crate::a`, `crate::b::C` and `crate::b::D`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate", "super", "self"] {
        for (place, _) in code.match_indices(&format!("{start}::")) {
            let is_inside =
                |before: char| before.is_alphanumeric() || before == '_' || before == ':' || before == '$';
            if !code[..place].ends_with(is_inside) {
                branches(&code[place..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path at the beginning of `text`, and returns what follows it.
fn branches<'a>(text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = above.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            while !inside.trim_start().starts_with('}') && !inside.trim_start().is_empty() {
                let after = branches(inside, above, found).trim_start();
                // `as name` and the comma.
                let end = after.find([',', '}']).unwrap_or(after.len());
                inside = after[end..].trim_start_matches(',');
            }
            above.truncate(depth);
            return inside.trim_start().strip_prefix('}').unwrap_or("");
        }
        let end = rest.find(|mark: char| !(mark.is_alphanumeric() || mark == '_')).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = rest[end..].trim_start();
        if !name.is_empty() {
            above.push(name.to_owned());
        }
        match rest.strip_prefix("::").filter(|_| !name.is_empty()) {
            Some(after) => rest = after.trim_start(),
            None => break,
        }
    }
    found.push(above.clone());
    above.truncate(depth);
    // The star of a glob.
    rest.strip_prefix('*').unwrap_or(rest)
}

/// A path as seen from the crate's root, for what stands in `module`.
fn absolute(path: &[String], module: &Module) -> Option<Module> {
    let mut place = if path[0] == "crate" { Vec::new() } else { module.clone() };
    let mut names = path.iter();
    for name in names.by_ref() {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => {
                place.pop()?;
            }
            _ => {
                place.push(name.clone());
                break;
            }
        }
    }
    place.extend(names.cloned());
    Some(place)
}

/// For each set of modules that reach each other, one shortest way round, and those that it leaves out.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<(Vec<String>, Vec<String>)> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = way_round(graph, start) {
            let mut set = reach(graph, start);
            set.retain(|other| reach(graph, other).contains(start));
            let others = set.iter().filter(|other| !circle.contains(other)).cloned().collect();
            seen.append(&mut set);
            found.push((circle, others));
        }
    }
    found
}

fn reach(graph: &BTreeMap<String, BTreeSet<String>>, start: &String) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start];
    while let Some(module) = next.pop() {
        next.extend(graph[module].iter().filter(|to| reached.insert((*to).clone())));
    }
    reached
}

/// The shortest way from a module to itself.
fn way_round(graph: &BTreeMap<String, BTreeSet<String>>, start: &String) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for to in &graph[way.last()?] {
                if to == start {
                    return Some(way);
                }
                if seen.insert(to.clone()) {
                    longer.push(way.iter().cloned().chain([to.clone()]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

/// Every folder of sources with a crate's root in it.
fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> =
        crates.flat_map(|path| [path.join("src"), path]).chain([root.join("src")]).collect();
    folders.retain(|folder| ["lib.rs", "main.rs"].iter().any(|name| folder.join(name).exists()));
    folders.sort();
    folders
}

#[test]
fn no_modules_go_round_in_a_circle() {
    let crates = crates();
    assert!(!crates.is_empty());
    let found: Vec<String> = crates.iter().flat_map(|folder| Sources::read(folder).circles()).collect();
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    assert!(found.is_empty(), "{}", found.join("\n").replace(&root, ""));
}

/// A crate of these modules, each with its text.
fn invented(modules: &[(&str, &str)]) -> Sources {
    let mut sources = Sources { text: BTreeMap::new(), file: BTreeMap::new() };
    for (name, text) in modules {
        let module = name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        sources.put(module, format!("{}.rs", name.replace("::", "/")), text);
    }
    sources
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let there = ("b", "use crate::c;\nfn f() -> c::C { todo!() }");
    for back in [
        "use crate::b;",
        "pub(crate) use crate::b::B as Other;",
        "use crate::{d, b};",
        "use crate::{\n    d::{D, E as F},\n    b::{self, *},\n};",
        "use super::b::B;",
        "fn f() { crate::b::f(); }",
        "fn f(b: &super::b::B) {}",
        "mod inner { use crate::b::B; }",
        "const A: char = '\"';\nuse crate::b;\nconst B: char = '\"';",
        "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::b;",
        "#[cfg(test)]\nmod tests;\nuse crate::b;",
    ] {
        let sources = invented(&[("", "mod b; mod c; mod d;"), there, ("c", back), ("d", "")]);
        assert_eq!(sources.circles(), ["b (b.rs) -> c (c.rs) -> b (b.rs)"], "{back}");
    }
}

#[test]
fn what_is_no_circle_is_none() {
    let there = ("b", "use crate::c::C;");
    for back in [
        "// use crate::b;",
        "/// See [`crate::b`].\npub struct C;",
        "const TEXT: &str = \"use crate::b; \\\" crate::b\";",
        "const TEXT: &str = r#\"crate::b \" crate::b\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::b;\n    fn f() { {} }\n}",
        "#[cfg(test)]\nuse crate::b;",
        "use crate::Root;",
        "use crate::c::own;",
        "use other::b::B;",
        "macro_rules! m { () => { $crate::b::B } }",
    ] {
        let sources = invented(&[("", "mod b; mod c;"), there, ("c", back)]);
        assert_eq!(sources.circles(), [""; 0], "{back}");
    }
}

#[test]
fn a_circle_is_found_through_a_name_that_the_root_shows() {
    for root in ["mod b;\nmod c;\npub use b::B;", "mod b;\npub(crate) use self::b::{A, B};"] {
        let sources = invented(&[("", root), ("b", "use crate::c::C;"), ("c", "use crate::B;")]);
        assert_eq!(sources.circles(), ["b (b.rs) -> c (c.rs) -> b (b.rs)"], "{root}");
    }
}

#[test]
fn a_circle_is_found_among_three_and_inside_a_folder() {
    let three =
        invented(&[("a", "use crate::b;"), ("b", "use crate::net::x;"), ("net", ""), ("net::x", "use crate::a;")]);
    assert_eq!(three.circles(), ["a (a.rs) -> b (b.rs) -> net (net.rs) -> a (a.rs)"]);
    let inside =
        invented(&[("net", "mod x; mod y;"), ("net::x", "use super::y::Y;"), ("net::y", "use super::x::X;")]);
    assert_eq!(inside.circles(), ["net::x (net/x.rs) -> net::y (net/y.rs) -> net::x (net/x.rs)"]);
    let parent = invented(&[("net", "mod x;\nuse x::X;"), ("net::x", "use super::Net;")]);
    assert_eq!(parent.circles(), [""; 0], "a folder's own file is its root");
}
