//! Commands of a definition, in which words stand for what is known of a job.

use frostline_results::quoted;
use std::path::Path;

/// What stands for something in a command.
pub(super) struct Words<'a> {
    pub(super) script: &'a Path,
    pub(super) log: &'a Path,
    pub(super) name: &'a str,
    pub(super) id: &'a str,
}

impl Words<'_> {
    /// Definitions that name no such command are refused.
    pub(super) fn put_into(&self, command: Option<&str>) -> String {
        let words = [
            ("{script}", quoted(self.script)),
            ("{log}", quoted(self.log)),
            ("{name}", self.name.to_owned()),
            ("{id}", quoted(Path::new(self.id))),
        ];
        words
            .into_iter()
            .fold(command.unwrap_or_default().to_owned(), |command, (word, value)| command.replace(word, &value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_something_is_put_into_a_command_as_a_shell_reads_it() {
        let words = Words {
            script: Path::new("/my results/run/worker-1.sh"),
            log: Path::new("/r/logs/worker-1.log"),
            name: "frostline-0a1b2c3d-1-5",
            id: "12;rm -rf x",
        };
        assert_eq!(
            words.put_into(Some("qsub -N {name} -o {log} {script} && qdel {id}")),
            "qsub -N frostline-0a1b2c3d-1-5 -o /r/logs/worker-1.log '/my results/run/worker-1.sh' && qdel '12;rm -rf x'"
        );
    }
}
