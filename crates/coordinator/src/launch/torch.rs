//! libtorch as a Python environment has it: the package `torch`, in whose environment the programs were installed.
//!
//! A worker that was built from source finds libtorch by the run path that it was linked with. One that `pip` has put into
//! an environment's `bin` has none, and is started with the libraries of that environment's `torch`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions of `torch` whose libraries the worker program runs on: this one, with any third number.
/// `scripts/wheel.py` has the same.
pub const TORCH: (u32, u32) = (2, 13);

/// What tells the environment of our own installation from others.
const OURS: &str = "frostline-";
/// libtorch's library for the CPU, which every form of it has.
const CPU_LIBRARY: &str = "libtorch_cpu.so";

/// The `torch` of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torch {
    /// As the package says, such as "2.13.0+cu130".
    pub version: String,
    /// The folder of its libraries.
    pub libraries: PathBuf,
}

/// Why there is no `torch` that a worker could run on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TorchError {
    #[error("there is no `torch` in {}, where Frostline is installed: {} gets it", site.display(), pip(.python))]
    Missing { site: PathBuf, python: PathBuf },
    #[error(
        "`torch` {found} in {} is too {}, this Frostline runs on {}.{}: {} gets it",
        site.display(), if *.is_newer { "new" } else { "old" }, TORCH.0, TORCH.1, pip(.python)
    )]
    Version { site: PathBuf, python: PathBuf, found: String, is_newer: bool },
    #[error(
        "`torch` {found} in {} has no {CPU_LIBRARY}: it is damaged, or made for another system; {} --force-reinstall gets it \
         anew", libraries.display(), pip(.python)
    )]
    NoLibraries { libraries: PathBuf, python: PathBuf, found: String },
}

fn pip(python: &Path) -> String {
    format!("{} -m pip install 'torch=={}.{}.*'", python.display(), TORCH.0, TORCH.1)
}

/// The `torch` beside which `program` was installed; none where it was not installed into a Python environment.
///
/// # Errors
/// There is none that it could run on.
pub fn torch_of(program: &Path) -> Result<Option<Torch>, TorchError> {
    // What lies in ~/.local/bin may be a link into an environment.
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let Some(bin) = program.parent() else { return Ok(None) };
    let Some(site) = sites(bin).into_iter().find(|site| has_package(site, OURS)) else { return Ok(None) };
    let python = Some(bin.join("python3")).filter(|python| python.exists()).unwrap_or_else(|| "python3".into());
    let Some((place, found)) = torch_seen_from(&python, &site) else {
        return Err(TorchError::Missing { site, python });
    };
    let libraries = place.join("torch/lib");
    match number(&found) {
        Some(number) if number != TORCH => {
            return Err(TorchError::Version { site: place, python, found, is_newer: number > TORCH });
        }
        _ => {}
    }
    if !libraries.join(CPU_LIBRARY).is_file() {
        return Err(TorchError::NoLibraries { libraries, python, found });
    }
    Ok(Some(Torch { version: found, libraries }))
}

/// The folders of packages that belong to programs in `bin`, as pip installs into environments, for one user, for the
/// system, and with `--target`.
fn sites(bin: &Path) -> Vec<PathBuf> {
    let Some(prefix) = bin.parent() else { return Vec::new() };
    let mut sites = Vec::new();
    for library in ["lib", "lib64", "local/lib"] {
        let versions = fs::read_dir(prefix.join(library)).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_python = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python3"))
        };
        let mut versions: Vec<PathBuf> = versions.filter(is_python).collect();
        versions.sort();
        sites.extend(
            versions.iter().flat_map(|version| [version.join("site-packages"), version.join("dist-packages")]),
        );
    }
    sites.push(prefix.to_owned());
    sites.retain(|site| site.is_dir());
    sites
}

/// Where `torch` is, and its version: beside us, or elsewhere where the environment's Python looks, such as among the
/// packages of the system.
fn torch_seen_from(python: &Path, site: &Path) -> Option<(PathBuf, String)> {
    let found = |site: PathBuf| version_in(&site).map(|version| (site, version));
    found(site.to_owned()).or_else(|| found(asked(python)?))
}

/// Asks a Python for the folder that it would import `torch` from, without doing so, which takes seconds.
fn asked(python: &Path) -> Option<PathBuf> {
    let question = "import importlib.util; print(importlib.util.find_spec('torch').origin)";
    let mut command = Command::new(python);
    // In its working directory it would look, too.
    command.args(["-c", question]).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    let answer = String::from_utf8(command.output().ok()?.stdout).ok()?;
    Path::new(answer.trim()).parent()?.parent().map(Path::to_owned)
}

/// The version of `torch` in a folder of packages.
fn version_in(site: &Path) -> Option<String> {
    // What the package says of itself names its form, too.
    let own = fs::read_to_string(site.join("torch/version.py")).ok();
    let said = own.as_deref().and_then(|text| text.lines().find(|line| line.starts_with("__version__")));
    let said = said.and_then(|line| line.split(['\'', '"']).nth(1)).map(str::to_owned);
    said.or_else(|| {
        let name = packages(site).find(|name| name.starts_with("torch-"))?;
        Some(name.trim_start_matches("torch-").trim_end_matches(".dist-info").to_owned())
    })
}

fn has_package(site: &Path, prefix: &str) -> bool {
    packages(site).any(|name| name.starts_with(prefix))
}

/// The names of the folders that describe what is installed.
fn packages(site: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(site).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".dist-info"))
}

/// "2.13.0+cu130" is 2.13.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '+']);
    let digits = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    Some((digits(parts.next()?)?, digits(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    /// An environment of Python 3.11 with these files.
    fn environment(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name.replace("SITE", "lib/python3.11/site-packages"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn found(folder: &TempDir) -> Result<Option<Torch>, String> {
        let place = folder.path().canonicalize().unwrap().display().to_string();
        let found = torch_of(&folder.path().join("bin/frostline-worker"));
        found.map_err(|error| error.to_string().replace(&place, "ENV"))
    }

    const PROGRAM: (&str, &str) = ("bin/frostline-worker", "");
    const OURS: (&str, &str) = ("SITE/frostline-0.1.0.dist-info/METADATA", "");
    const LIBRARY: (&str, &str) = ("SITE/torch/lib/libtorch_cpu.so", "");
    const VERSION: (&str, &str) = ("SITE/torch/version.py", "__all__ = []\n__version__ = '2.13.1+cu130'\n");

    #[test]
    fn a_program_that_pip_has_not_installed_keeps_its_run_path() {
        assert_eq!(found(&environment(&[PROGRAM])), Ok(None));
        assert_eq!(found(&environment(&[PROGRAM, LIBRARY, VERSION])), Ok(None), "somebody else's environment");
        assert_eq!(torch_of(Path::new("frostline-worker")), Ok(None));
    }

    #[test]
    fn the_libraries_are_those_of_the_environment() {
        let torch = found(&environment(&[PROGRAM, OURS, LIBRARY, VERSION])).unwrap().unwrap();
        assert_eq!(torch.version, "2.13.1+cu130");
        assert!(torch.libraries.ends_with("lib/python3.11/site-packages/torch/lib"), "{torch:?}");
        let named = ("SITE/torch-2.13.0.dist-info/METADATA", "");
        let torch = found(&environment(&[PROGRAM, OURS, LIBRARY, named])).unwrap().unwrap();
        assert_eq!(torch.version, "2.13.0");
    }

    #[test]
    fn an_environment_may_see_the_packages_of_others() {
        let base = environment(&[LIBRARY, VERSION]);
        let site = base.path().join("lib/python3.11/site-packages");
        let python = |says: String| format!("#!/bin/sh\n{says}\n");
        let own = |script: &str| {
            let own = environment(&[PROGRAM, OURS, ("bin/python3", script)]);
            fs::set_permissions(own.path().join("bin/python3"), fs::Permissions::from_mode(0o755)).unwrap();
            own
        };
        let seeing = own(&python(format!("echo {}/torch/__init__.py", site.display())));
        assert_eq!(found(&seeing).unwrap().unwrap().libraries, site.join("torch/lib"));
        let alone = own(&python("echo \"AttributeError\" >&2; exit 1".to_owned()));
        assert!(found(&alone).unwrap_err().starts_with("there is no `torch` in ENV/lib/python3.11/site-packages"));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_says_how_to_get_what_does() {
        // Not a program that could be asked.
        let python = ("bin/python3", "");
        assert_eq!(
            found(&environment(&[PROGRAM, OURS, python])).unwrap_err(),
            "there is no `torch` in ENV/lib/python3.11/site-packages, where Frostline is installed: ENV/bin/python3 -m pip \
             install 'torch==2.13.*' gets it"
        );
        for (version, is) in [("2.12.1", "old"), ("2.14.0+cpu", "new"), ("3.0.0", "new"), ("1.13.1", "old")] {
            let line = format!("__version__ = '{version}'\n");
            let other = environment(&[PROGRAM, OURS, LIBRARY, ("SITE/torch/version.py", &line)]);
            let expected = format!(
                "`torch` {version} in ENV/lib/python3.11/site-packages is too {is}, this Frostline runs on 2.13: python3 -m pip \
                 install 'torch==2.13.*' gets it"
            );
            assert_eq!(found(&other).unwrap_err(), expected);
        }
        let broken = found(&environment(&[PROGRAM, OURS, VERSION])).unwrap_err();
        assert!(broken.contains("has no libtorch_cpu.so: it is damaged"), "{broken}");
    }

    #[test]
    fn the_wheel_asks_for_the_same_versions() {
        let script = include_str!("../../../../scripts/wheel.py");
        assert!(script.contains(&format!("TORCH = {TORCH:?}\n")), "{TORCH:?}");
        let setup = include_str!("../../../../scripts/setup.py");
        assert!(setup.contains(&format!("VERSION = \"{}.{}.", TORCH.0, TORCH.1)), "{TORCH:?}");
    }
}
