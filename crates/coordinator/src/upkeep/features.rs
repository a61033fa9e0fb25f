//! Room for features: what earlier sweeps have left in the cache goes when this one needs its space, what was used least
//! recently first.

use frostline_results::features::{self, Kept};
use frostline_sweep::features::FeatureKey;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Removes features until `coming` bytes fit beside the rest into `max_bytes`, but none of `needed`. Returns what is gone.
pub(crate) fn make_room(cache: &Path, needed: &BTreeSet<&FeatureKey>, coming: u64, max_bytes: u64) -> Vec<Kept> {
    let kept = features::kept(cache);
    let gone = superfluous(&kept, needed, coming, max_bytes);
    let removed = |gone: &Kept| {
        let folder = features::folder(cache, &gone.key);
        let removed = fs::remove_dir_all(&folder);
        if let Err(error) = &removed {
            tracing::warn!("the features {} cannot be removed: {error}", folder.display());
        }
        removed.is_ok()
    };
    gone.into_iter().filter(removed).collect()
}

fn superfluous(kept: &[Kept], needed: &BTreeSet<&FeatureKey>, coming: u64, max_bytes: u64) -> Vec<Kept> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn kept(names: &[&str]) -> Vec<Kept> {
        let used = |age| SystemTime::UNIX_EPOCH + Duration::from_secs(age);
        (1..)
            .zip(names)
            .map(|(age, name)| Kept { key: FeatureKey(name.to_string()), bytes: 10, used: used(age) })
            .collect()
    }

    #[test]
    fn the_least_recently_used_go_first_and_needed_ones_never() {
        let kept = kept(&["old", "needed", "middle", "new"]);
        let needed = FeatureKey("needed".to_owned());
        let needed = BTreeSet::from([&needed]);
        let gone = |coming, most| {
            superfluous(&kept, &needed, coming, most).into_iter().map(|gone| gone.key.0).collect::<Vec<_>>()
        };
        assert_eq!(gone(0, 40), [""; 0]);
        assert_eq!(gone(5, 40), ["old"]);
        assert_eq!(gone(100, 40), ["old", "middle", "new"]);
    }

    #[test]
    fn what_goes_is_removed_from_the_disk() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            let folder = cache.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("manifest.json"), r#"{"spec":{},"files":{},"bytes":10,"seconds":0.5}"#).unwrap();
        }
        assert_eq!(make_room(cache.path(), &BTreeSet::new(), 0, 10).len(), 1);
        assert_eq!(features::kept(cache.path()).len(), 1);
    }
}
