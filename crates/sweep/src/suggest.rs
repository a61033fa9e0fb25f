//! The word that was probably meant.

/// The candidate nearest to `word`, if any is near: at most a third of its letters differ, or one is part of the other.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let is_part = |candidate: &str| word.len() >= 3 && candidate.contains(word);
    let best = candidates.into_iter().min_by_key(|candidate| (!is_part(candidate), distance(candidate)))?;
    let bound = word.len().max(best.len()).div_ceil(3);
    (is_part(best) || distance(best) <= bound).then_some(best)
}

/// ", did you mean `x`?" where a candidate is near, else "".
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("optimiser", ["optimizer", "epochs"]), Some("optimizer"));
        assert_eq!(nearest("frozen", ["frozen_layers", "seeds"]), Some("frozen_layers"));
        assert_eq!(nearest("zebra", ["optimizer", "epochs"]), None);
    }
}
