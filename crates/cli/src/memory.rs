//! Main memory that processes of this session can have: the machine's, and less where a control group or container allows
//! less.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes in all, and those that are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) available: u64,
}

/// None where the system does not tell.
pub(crate) fn memory() -> Option<Memory> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = Memory { total: line(&table, "MemTotal:")?, available: line(&table, "MemAvailable:")? };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(within(machine, &groups, Path::new("/sys/fs/cgroup")))
}

fn line(table: &str, name: &str) -> Option<u64> {
    let kibibytes = table.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?;
    kibibytes.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Within the limits of this process' control groups and of those above them: `groups` is `/proc/self/cgroup`, `root`
/// where control groups are mounted. In a container the path may not be there; its own group is mounted as the root then.
fn within(mut memory: Memory, groups: &str, root: &Path) -> Memory {
    for group in groups.lines() {
        let mut fields = group.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or("/"));
        // Version 2 names no controllers.
        let (root, limit, used) = match controllers {
            "" => (root.to_owned(), "memory.max", "memory.current"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        let own = root.join(path.trim_start_matches('/'));
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&root)) {
            // "max" is no number, and no limit.
            let Some(limit) = number(&folder.join(limit)) else { continue };
            let used = number(&folder.join(used)).unwrap_or_default();
            memory.total = memory.total.min(limit);
            memory.available = memory.available.min(limit.saturating_sub(used));
        }
    }
    memory
}

fn number(file: &PathBuf) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Memory = Memory { total: 25_000, available: 20_000 };

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{value}\n")).unwrap();
        };
        let groups = "0::/user.slice/sweep.scope\n";
        assert_eq!(within(MACHINE, groups, root.path()), MACHINE, "nothing is mounted");
        write("user.slice/sweep.scope/memory.max", "max");
        assert_eq!(within(MACHINE, groups, root.path()), MACHINE);
        write("user.slice/memory.max", "400");
        write("user.slice/memory.current", "150");
        assert_eq!(within(MACHINE, groups, root.path()), Memory { total: 400, available: 250 });
        write("user.slice/sweep.scope/memory.max", "300");
        assert_eq!(within(MACHINE, groups, root.path()), Memory { total: 300, available: 250 });
        // A container sees its own group as the root.
        write("memory.max", "100");
        assert_eq!(within(MACHINE, "0::/../../elsewhere\n", root.path()), Memory { total: 100, available: 100 });
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("memory/docker/abc");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("memory.limit_in_bytes"), "4000\n").unwrap();
        fs::write(folder.join("memory.usage_in_bytes"), "1000\n").unwrap();
        let groups = "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n";
        assert_eq!(within(MACHINE, groups, root.path()), Memory { total: 4_000, available: 3_000 });
        // Without a limit the number is larger than any machine.
        fs::write(folder.join("memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        assert_eq!(within(MACHINE, groups, root.path()), MACHINE);
    }

    #[test]
    fn the_systems_table_is_in_kibibytes() {
        let table = "MemTotal:       24685560 kB\nMemFree:          100 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(line(table, "MemTotal:"), Some(24_685_560 * 1024));
        assert_eq!(line(table, "SwapTotal:"), None);
        assert!(memory().is_some_and(|memory| memory.available <= memory.total && memory.available > 0));
    }
}
