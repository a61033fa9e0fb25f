//! Stratified choices: every class keeps its share, to within one image.

/// Splits images into (rest, share): of each class, `share` of its images, rounded, and at least one of each side
/// where the class has two. Both keep the original order.
pub fn stratified_split(labels: &[u16], share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let taken = choose(labels, seed, |count, _| {
        let wanted = (count as f64 * share).round() as usize;
        if count > 1 { wanted.clamp(1, count - 1) } else { 0 }
    });
    (0..labels.len() as u32).partition(|&index| !taken[index as usize])
}

/// Chooses `limit` images (or all, where there are no more), classes in proportion; in the original order.
pub fn stratified_limit(labels: &[u16], limit: usize, seed: u64) -> Vec<u32> {
    let limit = limit.min(labels.len());
    // Largest remainders: exactly `limit` in all.
    let counts = class_counts(labels);
    let exact = |count: usize| count as f64 * limit as f64 / labels.len().max(1) as f64;
    let mut quota: Vec<usize> = counts.iter().map(|&count| exact(count).floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by(|&a, &b| exact(counts[b]).fract().total_cmp(&exact(counts[a]).fract()).then(a.cmp(&b)));
    let missing = limit - quota.iter().sum::<usize>();
    for &class in by_remainder.iter().filter(|&&class| exact(counts[class]).fract() > 0.0).take(missing) {
        quota[class] += 1;
    }
    let taken = choose(labels, seed, |_, class| quota[class]);
    (0..labels.len() as u32).filter(|&index| taken[index as usize]).collect()
}

/// One more than the largest label.
fn classes(labels: &[u16]) -> usize {
    labels.iter().max().map_or(0, |&last| usize::from(last) + 1)
}

/// At most `limit` images, or all (none) where there are no more; the last `own` of them are a split of their own and keep
/// their proportion. Both parts are chosen as by [`stratified_limit`]. How many of the chosen are of the last ones is said
/// too.
pub fn limited(labels: &[u16], own: usize, limit: Option<u32>, seed: u64) -> (Option<Vec<u32>>, usize) {
    let Some(limit) = limit.map(|limit| limit as usize) else { return (None, own) };
    let (first, last) = labels.split_at(labels.len() - own);
    let of_last = own_of(limit, labels.len(), own);
    let mut chosen = stratified_limit(first, limit.min(labels.len()) - of_last, seed);
    let begin = first.len() as u32;
    chosen.extend(stratified_limit(last, of_last, seed).into_iter().map(|index| begin + index));
    (Some(chosen), of_last)
}

/// How many of `limit` images are of the `own` among `all`: their share, rounded, but not none and not all.
pub fn own_of(limit: usize, all: usize, own: usize) -> usize {
    match (own, limit >= all) {
        (0, _) => 0,
        (_, true) => own,
        _ => ((limit as f64 * own as f64 / all as f64).round() as usize)
            .clamp(1, limit.saturating_sub(1).max(1))
            .min(own),
    }
}

fn class_counts(labels: &[u16]) -> Vec<usize> {
    let mut counts = vec![0; classes(labels)];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    counts
}

/// Marks of each class as many images as `quota(count, class)` says, those with the smallest hash of (seed, index).
fn choose(labels: &[u16], seed: u64, quota: impl Fn(usize, usize) -> usize) -> Vec<bool> {
    let mut classes: Vec<Vec<([u8; 32], usize)>> = vec![Vec::new(); classes(labels)];
    for (index, &label) in labels.iter().enumerate() {
        let key = blake3::hash(&[seed.to_le_bytes(), (index as u64).to_le_bytes()].concat());
        classes[usize::from(label)].push((*key.as_bytes(), index));
    }
    let mut taken = vec![false; labels.len()];
    for (class, images) in classes.iter_mut().enumerate() {
        images.sort_unstable();
        for (_, index) in images.iter().take(quota(images.len(), class)) {
            taken[*index] = true;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 images of class 0, 30 of class 1, 10 of class 2.
    fn labels() -> Vec<u16> {
        (0..100)
            .map(|i| {
                if i % 10 < 6 {
                    0
                } else if i % 10 < 9 {
                    1
                } else {
                    2
                }
            })
            .collect()
    }

    fn counts(labels: &[u16], chosen: &[u32]) -> [usize; 3] {
        [0, 1, 2].map(|class| chosen.iter().filter(|&&index| labels[index as usize] == class).count())
    }

    #[test]
    fn a_split_keeps_every_class_share_and_loses_nothing() {
        let labels = labels();
        let (rest, share) = stratified_split(&labels, 0.1, 7);
        assert_eq!((counts(&labels, &rest), counts(&labels, &share)), ([54, 27, 9], [6, 3, 1]));
        let mut all = [rest, share].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_limit_is_met_exactly() {
        let labels = labels();
        for limit in [1, 7, 33, 99, 100, 1000] {
            let chosen = stratified_limit(&labels, limit, 7);
            assert_eq!(chosen.len(), limit.min(100));
            assert!(chosen.is_sorted());
        }
        assert_eq!(counts(&labels, &stratified_limit(&labels, 50, 7)), [30, 15, 5]);
    }

    #[test]
    fn the_choice_follows_the_seed_and_nothing_else() {
        let labels = labels();
        assert_eq!(stratified_limit(&labels, 20, 1), stratified_limit(&labels, 20, 1));
        assert_ne!(stratified_limit(&labels, 20, 1), stratified_limit(&labels, 20, 2));
    }

    #[test]
    fn a_limit_takes_of_two_splits_in_proportion() {
        // 60, 30 and 10 images to train on, and as many again, of which every other is missing, to select by.
        let labels = [labels(), labels().into_iter().step_by(2).collect()].concat();
        let (chosen, own) = limited(&labels, 50, Some(30), 7);
        let chosen = chosen.unwrap();
        assert_eq!((chosen.len(), own), (30, 10));
        assert_eq!(chosen.iter().filter(|&&index| index >= 100).count(), 10);
        assert_eq!(chosen[..20], stratified_limit(&labels[..100], 20, 7));
        assert_eq!(limited(&labels, 50, None, 7), (None, 50));
        assert_eq!(limited(&labels, 50, Some(1000), 7), (Some((0..150).collect()), 50));
        assert_eq!(limited(&labels, 0, Some(30), 7).0.unwrap(), stratified_limit(&labels, 30, 7));
    }

    #[test]
    fn labels_go_up_to_65535() {
        let labels = [u16::MAX, 0, u16::MAX, 0];
        let (rest, share) = stratified_split(&labels, 0.5, 7);
        let classes = |chosen: &[u32]| chosen.iter().map(|&index| labels[index as usize]).collect::<Vec<_>>();
        assert_eq!((classes(&rest).len(), classes(&share).len()), (2, 2));
        assert!(classes(&share).contains(&0) && classes(&share).contains(&u16::MAX));
        assert_eq!(stratified_limit(&labels, 2, 7).len(), 2);
        assert!(stratified_limit(&[], 2, 7).is_empty());
    }

    #[test]
    fn a_class_of_one_image_stays_in_the_rest() {
        assert_eq!(stratified_split(&[0, 0, 1], 0.9, 0).1.len(), 1);
    }
}
