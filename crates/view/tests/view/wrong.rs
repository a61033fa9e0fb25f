//! Which images trials get wrong.

use crate::fixture::{filled, one_seed};
use frostline_view::wrong::{Split, Wrong, wrong};

#[test]
fn what_all_get_wrong_is_what_each_of_them_gets_wrong() {
    let (_folder, reader) =
        one_seed([&|image| image >= 10, &|image| !(5..20).contains(&image), &|image| image != 7 && image != 500]);
    let trials = reader.members("demo").unwrap();
    let of = |trials: &[_]| wrong(&reader, trials, Split::Validation).unwrap().unwrap();
    assert_eq!(of(&trials[..1]).wrong, (0..10).collect::<Vec<_>>());
    assert_eq!(of(&trials[..2]), Wrong { images: 1_000, wrong: (5..10).collect(), trials: 2 });
    assert_eq!(of(&trials), Wrong { images: 1_000, wrong: vec![7], trials: 3 });
    let test = wrong(&reader, &trials, Split::Test).unwrap().unwrap();
    assert_eq!(test, Wrong { images: 2, wrong: vec![1], trials: 3 });
}

#[test]
fn where_nobody_said_which_were_right_nothing_is_known() {
    let (_folder, reader) = filled([Some(0.5), None, None, None, None, None, None, None, None]);
    let trials = reader.members("demo").unwrap();
    assert_eq!(wrong(&reader, &trials, Split::Test).unwrap(), None);
}
