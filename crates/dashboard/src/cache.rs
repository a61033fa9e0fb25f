//! Answers that stay right until something is written: a page of a large sweep takes seconds to make.

use crate::answer::Answer;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Answers that are kept, and bytes of the largest.
const MOST: usize = 64;
const LARGEST: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Of what there is to see; answers of another one are worth nothing.
    version: u64,
    answers: HashMap<String, Answer>,
}

impl Cache {
    /// What was answered at this version, or what `make` answers now.
    pub(crate) fn answer(&self, version: u64, asked: &str, make: impl FnOnce() -> Answer) -> Answer {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Kept { version: of, answers } = &*kept()
            && *of == version
            && let Some(answer) = answers.get(asked)
        {
            return answer.clone();
        }
        // Without the lock: others need not wait for it.
        let answer = make();
        // Before the first look nobody knows when it is outdated.
        if version > 0 && answer.is_worth_keeping(LARGEST) {
            let mut kept = kept();
            if kept.version < version || kept.answers.len() >= MOST {
                kept.answers.clear();
                kept.version = kept.version.max(version);
            }
            if kept.version == version {
                kept.answers.insert(asked.to_owned(), answer.clone());
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn an_answer_is_made_once_a_version() {
        let (cache, made) = (Cache::default(), Cell::new(0));
        let ask = |version, asked: &str| {
            cache.answer(version, asked, || {
                made.set(made.get() + 1);
                Answer::html(String::new())
            });
            made.get()
        };
        assert_eq!([ask(1, "/a"), ask(1, "/a"), ask(1, "/b"), ask(2, "/a"), ask(2, "/a")], [1, 1, 2, 3, 3]);
        assert_eq!([ask(0, "/a"), ask(0, "/a")], [4, 5], "not before the first look");
        assert_eq!([ask(1, "/a"), ask(2, "/a")], [6, 6], "what was made late of an old version replaces nothing");
    }

    #[test]
    fn what_went_wrong_is_tried_again() {
        let cache = Cache::default();
        let wrong = || Answer::wrong(axum::http::StatusCode::SERVICE_UNAVAILABLE, "held", false);
        cache.answer(1, "/a", wrong);
        let asked_again = Cell::new(false);
        cache.answer(1, "/a", || {
            asked_again.set(true);
            wrong()
        });
        assert!(asked_again.get());
    }
}
