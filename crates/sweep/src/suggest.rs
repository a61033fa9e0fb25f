//! The word that was probably meant.

/// Our words, and what libraries and people call the same things.
const SYNONYMS: [(&str, &[&str]); 25] = [
    ("learning_rate", &["lr", "eta", "rate", "base_lr", "init_lr", "lr0", "alpha"]),
    ("head_units", &["units", "hidden", "hidden_units", "dense", "neurons", "width", "widths", "fc"]),
    ("head_dropout", &["dropout", "drop", "drop_rate", "dropout_rate"]),
    ("head_depth", &["depth", "hidden_layers", "num_layers", "n_layers"]),
    ("frozen_layers", &["freeze", "frozen", "freeze_at", "fine_tune_at", "trainable", "unfreeze"]),
    ("optimizer", &["opt", "optim", "solver"]),
    ("weight_decay", &["wd", "l2", "decay"]),
    ("epochs", &["epoch", "n_epochs", "num_epochs", "max_epochs", "nb_epoch"]),
    ("batch_size", &["bs", "batch", "batchsize"]),
    ("schedule", &["scheduler", "lr_scheduler", "lr_schedule"]),
    ("warmup_epochs", &["warmup"]),
    ("label_smoothing", &["smoothing"]),
    ("class_weights", &["class_weight", "balance", "weighting"]),
    ("clip_norm", &["clipnorm", "grad_clip", "max_norm", "gradient_clip_val", "clip"]),
    ("image_size", &["size", "resolution", "img_size", "imgsz", "input_size", "image_shape"]),
    ("seeds", &["seed", "random_seed", "random_state", "n_seeds", "trials", "runs"]),
    ("objective", &["metric", "monitor", "goal", "target"]),
    ("backbone", &["network", "arch", "architecture", "model_name", "net"]),
    ("folder", &["imagefolder", "image_folder", "images", "pictures", "directory"]),
    ("parquet", &["huggingface", "hugging_face", "hf", "datasets", "arrow"]),
    ("bfloat16", &["bf16", "fp16", "float16", "half", "mixed", "amp"]),
    ("float32", &["fp32", "f32", "single"]),
    ("efficientnet_lite0", &["lite0", "efficientnet_lite"]),
    ("efficientnet_b0", &["b0", "efficientnetb0", "efficientnet"]),
    (
        "efficientnet_v2_s",
        &["v2s", "v2_s", "efficientnetv2s", "efficientnetv2_s", "efficientnet_v2", "efficientnetv2"],
    ),
];

/// The candidate that is called `word` elsewhere.
pub fn synonym<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let (ours, _) = SYNONYMS.iter().find(|(_, theirs)| theirs.contains(&word.as_str()))?;
    candidates.into_iter().find(|candidate| candidate == ours)
}

/// The candidate that is called `word` elsewhere, or is nearest to it, if any is near: at most a third of its letters differ,
/// or one is part of the other.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(meant) = synonym(word, candidates.iter().copied()) {
        return Some(meant);
    }
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

/// The same within a sentence.
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!(", did you mean `{near}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("optimiser", ["optimizer", "epochs"]), Some("optimizer"));
        assert_eq!(nearest("frozen", ["frozen_layers", "seeds"]), Some("frozen_layers"));
        assert_eq!(nearest("zebra", ["optimizer", "epochs"]), None);
        // Two letters are in too many words.
        assert_eq!((nearest("ep", ["epochs"]), nearest("epo", ["epochs"])), (None, Some("epochs")));
        assert_eq!(
            (near("optimiser", ["optimizer"]).as_str(), near("zebra", ["epochs"]).as_str()),
            (", did you mean `optimizer`", "")
        );
    }

    #[test]
    fn words_of_other_libraries_lead_to_ours() {
        assert_eq!(nearest("lr", ["label_smoothing", "learning_rate"]), Some("learning_rate"));
        assert_eq!(nearest("LR", ["learning_rate"]), Some("learning_rate"));
        assert_eq!(nearest("lr", ["epochs"]), None, "only where it can be meant");
        let networks = ["efficientnet_v2_s", "efficientnet_lite0", "efficientnet_b0", "efficientnet_b3"];
        assert_eq!(nearest("EfficientNetB0", networks), Some("efficientnet_b0"));
        assert_eq!(nearest("efficientnetb3", networks), Some("efficientnet_b3"));
        assert_eq!(nearest("EfficientNet-V2", networks), Some("efficientnet_v2_s"));
        for (place, (ours, theirs)) in SYNONYMS.iter().enumerate() {
            let elsewhere = SYNONYMS.iter().skip(place + 1).flat_map(|(_, theirs)| *theirs);
            let twice: Vec<&&str> = elsewhere.filter(|word| theirs.contains(word)).collect();
            assert!(twice.is_empty() && !theirs.contains(ours), "{ours}: {twice:?}");
        }
    }
}
