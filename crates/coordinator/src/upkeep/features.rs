//! Room for features: what earlier sweeps have left in the cache goes when this one needs its space, what was used least
//! recently first.

use frostline_sweep::features::FeatureKey;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

const MANIFEST: &str = "manifest.json";
/// Beginning of the names of folders that are being filled.
const UNFINISHED: &str = ".filling-";

/// A folder of features that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFeatures {
    pub key: FeatureKey,
    pub bytes: u64,
    /// When a trial last started from it.
    pub used: SystemTime,
}

/// What the cache folder holds, the least recently used first. A folder that cannot be read is left out.
pub fn kept_features(cache: &Path) -> Vec<KeptFeatures> {
    let read = |entry: fs::DirEntry| {
        let manifest = entry.path().join(MANIFEST);
        let used = fs::metadata(&manifest).ok()?.modified().ok()?;
        let content: Value = serde_json::from_slice(&fs::read(&manifest).ok()?).ok()?;
        let key = FeatureKey(entry.file_name().into_string().ok()?);
        Some(KeptFeatures { key, bytes: content["bytes"].as_u64()?, used })
    };
    let mut kept: Vec<KeptFeatures> = fs::read_dir(cache).into_iter().flatten().flatten().filter_map(read).collect();
    kept.sort_by(|one, other| one.used.cmp(&other.used).then_with(|| one.key.cmp(&other.key)));
    kept
}

/// Removes features until `coming` bytes fit beside the rest into `max_bytes`, but none of `needed`. Returns what is gone.
pub(crate) fn make_room(
    cache: &Path,
    needed: &BTreeSet<&FeatureKey>,
    coming: u64,
    max_bytes: u64,
) -> Vec<KeptFeatures> {
    let kept = kept_features(cache);
    let gone = superfluous(&kept, needed, coming, max_bytes);
    let removed = |features: &KeptFeatures| {
        let folder = cache.join(&features.key.0);
        let removed = fs::remove_dir_all(&folder);
        if let Err(error) = &removed {
            tracing::warn!("the features {} cannot be removed: {error}", folder.display());
        }
        removed.is_ok()
    };
    gone.into_iter().filter(removed).collect()
}

fn superfluous(
    kept: &[KeptFeatures],
    needed: &BTreeSet<&FeatureKey>,
    coming: u64,
    max_bytes: u64,
) -> Vec<KeptFeatures> {
    let mut total = kept.iter().map(|features| features.bytes).sum::<u64>().saturating_add(coming);
    let mut gone = Vec::new();
    for features in kept.iter().filter(|features| !needed.contains(&features.key)) {
        if total <= max_bytes {
            break;
        }
        total -= features.bytes;
        gone.push(features.clone());
    }
    gone
}

/// Removes what fills have left that were killed. Only while no worker lives that could be at it.
pub(crate) fn remove_unfinished(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn features(cache: &Path, name: &str, bytes: u64, used: u64) {
        let folder = cache.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(MANIFEST), format!("{{\"bytes\": {bytes}}}")).unwrap();
        let manifest = fs::File::options().write(true).open(folder.join(MANIFEST)).unwrap();
        manifest.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(used)).unwrap();
    }

    fn names(kept: &[KeptFeatures]) -> Vec<&str> {
        kept.iter().map(|features| features.key.0.as_str()).collect()
    }

    #[test]
    fn the_least_recently_used_go_first_and_needed_ones_never() {
        let cache = tempfile::tempdir().unwrap();
        for (name, used) in [("old", 1), ("new", 4), ("needed", 2), ("middle", 3)] {
            features(cache.path(), name, 10, used);
        }
        fs::create_dir(cache.path().join("damaged")).unwrap();
        let needed = FeatureKey("needed".to_owned());
        let needed = BTreeSet::from([&needed]);
        assert_eq!(names(&kept_features(cache.path())), ["old", "needed", "middle", "new"]);
        assert!(make_room(cache.path(), &needed, 0, 40).is_empty());
        assert_eq!(names(&make_room(cache.path(), &needed, 5, 40)), ["old"]);
        assert_eq!(names(&make_room(cache.path(), &needed, 100, 40)), ["middle", "new"]);
        assert_eq!(names(&kept_features(cache.path())), ["needed"]);
    }

    #[test]
    fn unfinished_folders_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir(cache.path().join(".filling-abc")).unwrap();
        features(cache.path(), "whole", 1, 1);
        remove_unfinished(cache.path());
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
        remove_unfinished(&cache.path().join("absent"));
    }
}
