//! Images that are recognised wrongly: by one trial, or by all of a sweep.

use crate::number;
use maud::{Markup, html};

/// Pixels that an image is shown in.
const SIZE: u32 = 64;

pub struct Wrong<'a> {
    /// Who gets them wrong: "This trial", or how many trials.
    pub who: &'a str,
    pub split: &'a str,
    /// How many images the split has, and how many of them are shown on all pages together.
    pub images: usize,
    pub total: usize,
    pub shown: Vec<Image>,
    /// Before the first one here.
    pub after: usize,
    /// Other splits and classes: address, words, whether it is the one that is shown.
    pub choices: Vec<(String, String, bool)>,
    pub earlier: Option<String>,
    pub later: Option<String>,
}

pub struct Image {
    pub number: usize,
    pub class: String,
    /// Where its pixels are.
    pub address: String,
}

pub fn wrong(wrong: &Wrong) -> Markup {
    let share = wrong.total as f64 / wrong.images.max(1) as f64;
    html! {
        div.answer {
            p.says {
                (wrong.who) " wrong on " (number::count(wrong.total as u64, &format!("{} image", wrong.split)))
                " of " (number::whole(wrong.images as u64)) " (" (number::percent(share)) ")."
            }
        }
        section {
            h2 { "Images, by their class" }
            div.card {
                p.below {
                    @for (address, words, is_here) in &wrong.choices {
                        a href=(address) aria-current=[is_here.then_some("true")] { (words) }
                    }
                }
                @if wrong.shown.is_empty() { p { "None." } }
                dl.facts {
                    @for image in &wrong.shown {
                        div {
                            dt {
                                img src=(image.address) width=(SIZE) height=(SIZE) loading="lazy"
                                    alt={ (wrong.split) " image " (image.number) ", " (image.class) };
                            }
                            dd.muted { (image.class) }
                        }
                    }
                }
                p.below {
                    @if let Some(earlier) = &wrong.earlier { a href=(earlier) rel="prev" { "← earlier" } }
                    @if !wrong.shown.is_empty() {
                        span { (number::whole(wrong.after as u64 + 1)) " to " (number::whole((wrong.after + wrong.shown.len()) as u64)) " of " (number::whole(wrong.total as u64)) }
                    }
                    @if let Some(later) = &wrong.later { a href=(later) rel="next" { "later →" } }
                }
            }
        }
    }
}
