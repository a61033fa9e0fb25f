//! This machine.

/// Its name, as the system has it.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Its processor's model, as the system has it. Of many cores it says that many times, and is asked once.
pub fn processor() -> String {
    let all = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processor_in(&all, &rustix::system::uname().machine().to_string_lossy())
}

/// By what `/proc/cpuinfo` says. Arm's processors have no name there, but numbers of their maker and model; where there is
/// nothing else, the machine's architecture stands for it.
fn processor_in(said: &str, architecture: &str) -> String {
    let value = |key: &str| {
        let values = said.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() == key);
        values.map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    };
    match (value("model name"), value("CPU implementer"), value("CPU part")) {
        (Some(name), _, _) => name.to_owned(),
        (None, Some(maker), Some(part)) => format!("{architecture} {maker} {part}"),
        _ => architecture.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_named_by_its_model_or_else_by_numbers() {
        let x86 = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\n\n\
            processor\t: 1\nmodel name\t: another\n";
        assert_eq!(processor_in(x86, "x86_64"), "AMD EPYC 7763 64-Core Processor");
        let arm =
            "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n";
        assert_eq!(processor_in(arm, "aarch64"), "aarch64 0x41 0xd40");
        for nothing in ["", "model name\t:\n", "\u{0}:\n:::"] {
            assert_eq!(processor_in(nothing, "riscv64"), "riscv64");
        }
        assert!(!processor().is_empty());
    }
}
