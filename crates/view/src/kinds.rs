//! On how many kinds of machine a sweep was computed: results are the same to the bit within one.

use crate::ViewError;
use frostline_store::Reader;
use frostline_sweep::record::{Build, Kind};
use std::collections::BTreeSet;

/// The kinds of machine that the results of a sweep's complete trials come from, as far as they are known, by name; empty
/// where the whole results folder has seen one alone, which is soon found out.
///
/// # Errors
/// There is no such sweep, or a failure of the database.
pub(crate) fn kinds(reader: &Reader, sweep: &str) -> Result<BTreeSet<Kind>, ViewError> {
    if are_several(reader)? { of_sweep(reader, sweep) } else { Ok(BTreeSet::new()) }
}

/// The same of each of these sweeps.
///
/// # Errors
/// As [`kinds`].
pub fn of_each<'a>(
    reader: &Reader,
    sweeps: impl Iterator<Item = &'a str>,
) -> Result<Vec<(&'a str, BTreeSet<Kind>)>, ViewError> {
    let are_several = are_several(reader)?;
    let kinds = |sweep| Ok((sweep, if are_several { of_sweep(reader, sweep)? } else { BTreeSet::new() }));
    sweeps.map(kinds).collect()
}

fn are_several(reader: &Reader) -> Result<bool, ViewError> {
    Ok(of(&reader.builds()?).len() > 1)
}

fn of_sweep(reader: &Reader, sweep: &str) -> Result<BTreeSet<Kind>, ViewError> {
    Ok(of(&reader.builds_of(sweep)?))
}

fn of(builds: &[Build]) -> BTreeSet<Kind> {
    builds.iter().filter_map(Build::kind).collect()
}

/// What is to be known of results that come from several, in one sentence. `what` is what was computed on them, such as
/// "These trials were".
pub fn remark(what: &str, kinds: &BTreeSet<Kind>) -> Option<String> {
    let number = match kinds.len() {
        0 | 1 => return None,
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    };
    let noun = match kinds.iter().all(|kind| matches!(kind, Kind::Gpu(_))) {
        true => "models of GPU",
        false => "kinds of processor",
    };
    let names = kinds.iter().map(Kind::name).collect::<Vec<_>>().join("; ");
    Some(format!(
        "{what} computed on {number} {noun} ({names}), whose results may differ in the last bits: `constraint` under [slurm] \
         holds a sweep to one kind."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_kinds_are_named_and_one_is_not() {
        let said = |names: &[&str], of: fn(String) -> Kind| {
            remark("They were", &names.iter().map(|name| of((*name).to_owned())).collect())
        };
        assert_eq!(said(&[], Kind::Gpu), None);
        assert_eq!(said(&["NVIDIA H100", "NVIDIA H100"], Kind::Gpu), None);
        assert_eq!(
            said(&["NVIDIA H100", "NVIDIA A100"], Kind::Gpu).unwrap(),
            "They were computed on two models of GPU (NVIDIA A100; NVIDIA H100), whose results may differ in the last bits: \
             `constraint` under [slurm] holds a sweep to one kind."
        );
        let three = said(&["a (AVX2)", "a (AVX512)", "b (AVX2)"], Kind::Processor).unwrap();
        assert!(
            three.starts_with("They were computed on three kinds of processor (a (AVX2); a (AVX512); b (AVX2)), "),
            "{three}"
        );
        assert!(said(&["1", "2", "3", "4"], Kind::Processor).unwrap().contains(" on 4 kinds of processor "));
    }
}
