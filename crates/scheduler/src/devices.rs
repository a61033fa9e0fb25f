//! Which GPUs are still of use: one that fails for one task after another is out of service.

use frostline_sweep::record::TaskKey;
use std::collections::BTreeMap;

/// Tasks in a row that fail on a device before it is to blame, and not they.
const TASKS: usize = 2;

/// By the names that workers give their devices; several workers may share one.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Tasks that have failed on each device since something worked there, each once.
    failures: BTreeMap<String, Vec<TaskKey>>,
}

impl Devices {
    /// A result came from this device.
    pub(crate) fn works(&mut self, device: &str) {
        if !self.is_out_of_service(device) {
            self.failures.remove(device);
        }
    }

    /// A task failed because of this device. Whether that takes the device out of service.
    pub(crate) fn failed(&mut self, device: &str, task: &TaskKey) -> bool {
        let failures = self.failures.entry(device.to_owned()).or_default();
        if !failures.contains(task) {
            failures.push(task.clone());
        }
        failures.len() >= TASKS
    }

    pub(crate) fn is_out_of_service(&self, device: &str) -> bool {
        self.failures.get(device).is_some_and(|failures| failures.len() >= TASKS)
    }
}

/// Why workers of this device are not started again, and what to do.
pub(crate) fn out_of_service(device: &str, message: &str) -> String {
    format!(
        "{device} failed for {TASKS} tasks in a row and is out of service ({message}); `nvidia-smi -q` and `dmesg | grep Xid` \
         say more, and a restart of the machine often helps"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::trial::TrialId;

    fn task(number: u8) -> TaskKey {
        TaskKey::Trial(TrialId([number; 16]))
    }

    #[test]
    fn two_tasks_in_a_row_are_the_devices_fault_and_one_task_twice_is_its_own() {
        let mut devices = Devices::default();
        assert!(!devices.failed("cuda:0", &task(1)));
        assert!(!devices.failed("cuda:0", &task(1)));
        devices.works("cuda:0");
        assert!(!devices.failed("cuda:0", &task(2)));
        assert!(!devices.failed("cuda:1", &task(3)));
        assert!(devices.failed("cuda:0", &task(3)));
        assert!(devices.is_out_of_service("cuda:0") && !devices.is_out_of_service("cuda:1"));
        devices.works("cuda:0");
        assert!(devices.is_out_of_service("cuda:0"), "another worker on it may have been luckier");
    }
}
