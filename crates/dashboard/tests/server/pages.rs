//! What pages say.

use crate::made::{Made, ODD};
use frostline_results::{Folder, RunStatus};
use frostline_view::best::{Question, best};
use frostline_view::effects::effects;
use frostline_view::list::list;
use frostline_view::status::status;
use frostline_view::table::Table;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[test]
fn every_place_has_its_page() {
    let made = Made::new();
    let server = made.server();
    let trial = &made.trials[0].id;
    for (place, said) in [
        ("/", "made"),
        ("/s/made", "Leaderboard"),
        ("/s/made/trials", "1 to 6 of 6"),
        ("/s/made/depth", "How deep to freeze"),
        ("/s/made/effects", "Most depends on frozen layers"),
        ("/s/made/cost", "against seconds"),
        ("/s/made/all", "parallel-data"),
        (&format!("/t/{trial}"), "Frost line"),
        (&format!("/compare?of={},{}", made.trials[0].id, made.trials[4].id), "What differs"),
    ] {
        let page = server.get(place);
        assert_eq!(page.status, 200, "{place}: {}", page.head);
        assert!(page.body.contains(said), "{place}: {said}");
        assert!(page.body.len() < 60_000, "{place} has {} bytes", page.body.len());
        assert!(!page.body.contains(" style=\""), "{place}: the policy would drop it");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), Some(value), "{place}");
        }
        // Each id once, or labels and links lead to the wrong one.
        let ids: Vec<&str> = page.body.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{place}: {ids:?}");
        // What a page names is there, and here.
        for part in page
            .body
            .split("<link rel=\"stylesheet\"")
            .skip(1)
            .chain(page.body.split("<script type=\"module\"").skip(1))
        {
            let named = part.split(['"']).find(|text| text.starts_with("/assets/")).unwrap();
            assert_eq!(server.get(named).status, 200, "{named}");
        }
    }
    assert_eq!(server.get("/s/other").status, 404);
    assert_eq!(server.get("/t/ffffffff").status, 404);
    assert_eq!(server.get("/s/made/nothing").status, 404);
    assert_eq!(server.get("/s/made/trials?where=optimiser%3Dadam").status, 400);
}

#[test]
fn the_table_is_sorted_and_narrowed_by_its_address() {
    let made = Made::new();
    let server = made.server();
    let rows = |place: &str| -> Vec<String> {
        let page = server.get(place).body;
        page.split("data-row=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    assert_eq!(rows("/s/made/trials").len(), 6);
    assert_eq!(rows("/s/made/trials?where=frozen_layers%3D135").len(), 2);
    let (up, down) = (rows("/s/made/trials?sort=seconds"), rows("/s/made/trials?sort=-seconds"));
    assert_eq!(up[..2].iter().collect::<BTreeSet<_>>(), down[4..].iter().collect::<BTreeSet<_>>());
    assert_ne!(up, down);
    let ranked = rows("/s/made/trials");
    assert_eq!(rows("/s/made/trials?after=4"), ranked[4..]);
}

#[test]
fn programs_get_what_json_prints() {
    let made = Made::new();
    let (server, reader) = (made.server(), made.reader());
    let api = |place: &str| json_of(&server.get(&format!("/api/v1/{place}")).body);
    assert_eq!(api("sweeps"), json!(list(&reader).unwrap()));
    assert_eq!(api("sweeps/made/status"), json!(status(&reader, "made", None).unwrap()));
    assert_eq!(api("sweeps/made/effects"), json!(effects(&Table::read(&reader, "made").unwrap(), &[]).unwrap()));
    let question = |most| Question { whole: false, ..Question::of("made", most) };
    assert_eq!(api("sweeps/made/best"), json!(best(&reader, question(10)).unwrap().rows));
    assert_eq!(api("sweeps/made/best?n=2"), json!(best(&reader, question(2)).unwrap().rows));
    let trial = api(&format!("trials/{}", made.trials[0].id));
    assert_eq!((&trial["state"], &trial["classes"]), (&json!("complete"), &json!(["cat", "dog"])));
    let unknown = server.get("/api/v1/sweeps/other/best");
    assert_eq!(unknown.status, 404);
    assert!(json_of(&unknown.body)["error"].as_str().unwrap().contains("other"), "{}", unknown.body);
}

#[test]
fn what_is_foreign_stays_text() {
    let made = Made::new();
    let server = made.server();
    let page = server.get(&format!("/t/{}", made.trials[12].id));
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("<script>alert"), "a failure's message");
    assert_eq!(page.body.matches("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;inf&quot;").count(), 2);
    assert!(ODD.contains("<script>"));
    let missing = server.get("/s/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    assert_eq!(missing.status, 404);
    assert!(!missing.body.contains("<script>"), "a name that is not there");
    let wrong = server.get("/s/made/trials?where=%3Cscript%3E%3D1");
    assert!(wrong.status == 400 && !wrong.body.contains("<script>"));
}

#[test]
fn a_browser_is_told_when_nothing_has_changed() {
    let made = Made::new();
    let server = made.server();
    let tag = server.get("/s/made").header("etag").unwrap().to_owned();
    let again = server.get_with("/s/made", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert!(again.header("content-security-policy").is_some());
}

#[test]
fn pages_show_when_workers_were_at_work() {
    let made = Made::new();
    let server = made.server();
    for place in ["/s/made", "/s/made/cost"] {
        assert!(server.get(place).body.contains("id=\"timeline\""), "{place}");
    }
}

#[test]
fn pages_are_sent_packed_to_who_takes_them_so() {
    let made = Made::new();
    let server = made.server();
    for place in ["/s/made", "/s/made/trials"] {
        let plain = server.get(place);
        let packed = server.get_with(place, "Accept-Encoding: gzip, br\r\n");
        assert_eq!(
            (plain.header("content-encoding"), packed.header("content-encoding")),
            (None, Some("gzip")),
            "{place}"
        );
        assert_eq!(packed.body, plain.body);
        assert!(packed.sent < plain.sent / 3, "{place}: {} of {}", packed.sent, plain.sent);
        assert_eq!(packed.header("vary"), Some("accept-encoding"));
        let (tag, other) = (packed.header("etag").unwrap(), plain.header("etag").unwrap());
        assert_ne!(tag, other);
        let again = server.get_with(place, &format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.sent), (304, 0));
    }
    assert_eq!(
        server.get_with("/s/nosuch", "Accept-Encoding: gzip\r\n").header("content-encoding"),
        None,
        "too short"
    );
}

#[test]
fn watchers_hear_of_changes_and_pages_show_them() {
    let mut made = Made::new();
    let server = made.server();
    let mut events = server.events("");
    assert!(events.next().is_some());
    assert!(server.get("/s/made").body.contains("12 of 14 done"));
    made.go_on();
    // An event of before may still be on its way.
    assert!(events.any(|_| server.get("/s/made").body.contains("13 of 14 done")));
}

#[test]
fn watchers_of_a_sweep_hear_what_runs_of_it() {
    let made = Made::new();
    let status = RunStatus {
        sweep: "made".to_owned(),
        process: std::process::id(),
        host: String::new(),
        at: 1.0,
        seconds_left: Some(61.0),
        draining: false,
        running: Vec::new(),
    };
    let file = Folder::new(made.results()).status();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    status.write(&file).unwrap();
    let server = made.server();
    let now = |event: String| json_of(&event)["now"].clone();
    let mut events = server.events("?sweep=made");
    let said = events.find(|event| !now(event.clone()).is_null()).unwrap();
    assert_eq!(now(said), "running, 0 tasks, 1 min 01 s left");
    assert!(server.get("/").body.contains("running, 0 tasks, 1 min 01 s left"));
    std::fs::remove_file(&file).unwrap();
    assert!(events.any(|event| now(event).is_null()), "and that it has ended");
    let other = server.events("?sweep=other").next().unwrap();
    assert_eq!(json_of(&other), json!({ "version": 0, "now": null }));
}

#[test]
fn mistakes_are_shown_as_images() {
    let made = Made::new();
    let server = made.server();
    let trial = &made.trials[0].id;
    let images = |place: &str| -> Vec<String> {
        let page = server.get(place);
        assert_eq!(page.status, 200, "{place}: {}", page.body);
        let sources = page.body.split("<img src=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        sources.collect()
    };
    let of = |numbers: &[u32]| -> Vec<String> {
        numbers.iter().map(|number| format!("/t/{trial}/image/test/{number}")).collect()
    };
    let wrong = format!("/t/{trial}/wrong");
    assert!(server.get(&format!("/t/{trial}")).body.contains(&wrong));
    assert_eq!(images(&wrong), of(&[13, 15, 17, 19]));
    assert_eq!(images(&format!("{wrong}?truth=dog")), of(&[13, 15, 17, 19]));
    assert_eq!(images(&format!("{wrong}?truth=cat")), Vec::<String>::new());
    let page = server.get(&wrong).body;
    assert!(page.contains("It is wrong on 4 test images of 20 (20 %)."), "{page}");
    assert!(page.contains("test image 13, dog"));
    // 68 validation images, in parts of 60.
    let validation = format!("{wrong}?split=validation");
    assert_eq!((images(&validation).len(), images(&format!("{validation}&after=60")).len()), (60, 8));
    let png = server.get(&format!("/t/{trial}/image/test/13"));
    assert_eq!((png.header("content-type"), png.body.as_str()), (Some("image/png"), "PNG test 13"));
    for none in ["test/20", "train/1", "test/../1", "test/-1", "test/x"] {
        assert_eq!(server.get(&format!("/t/{trial}/image/{none}")).status, 404, "{none}");
    }
    let all = server.get("/s/made/wrong").body;
    assert!(all.contains("wrong on 1 test image of 20"), "{all}");
    assert_eq!(server.get(&format!("/t/{}/wrong", made.trials[12].id)).status, 404, "it has failed");
    assert_eq!(server.get(&format!("{wrong}?split=train")).status, 400);
}

#[test]
fn the_table_is_there_as_csv() {
    let made = Made::new();
    let server = made.server();
    let all = server.get("/s/made/trials.csv");
    assert_eq!((all.status, all.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let lines: Vec<&str> = all.body.lines().collect();
    assert!(lines[0].starts_with("rank,tied_with_best,best_trial,val_accuracy_low,"), "{}", lines[0]);
    assert_eq!(lines.len(), 1 + 6);
    let some = server.get("/s/made/trials.csv?where=frozen_layers%3D135&sort=-head_units").body;
    assert_eq!(some.lines().count(), 1 + 2);
    assert!(server.get("/s/made/trials?sort=seconds").body.contains("/s/made/trials.csv?sort=seconds"));
}

#[test]
fn a_sweep_without_a_result_has_its_pages_too() {
    let made = Made::unstarted();
    let server = made.server();
    for place in ["", "/trials", "/depth", "/effects", "/cost", "/all", "/report.html"] {
        let page = server.get(&format!("/s/made{place}"));
        assert_eq!(page.status, 200, "{place}: {}", page.body);
        assert!(page.body.contains("0 of 14 done"), "{place}");
    }
    assert!(server.get("/s/made").body.contains("No trial has finished yet."));
    let trial = server.get(&format!("/t/{}", made.trials[0].id));
    assert!(trial.status == 200 && trial.body.contains("None yet."), "{}", trial.body);
    let pair = server.get(&format!("/compare?of={},{}", made.trials[0].id, made.trials[1].id));
    assert!(pair.body.contains("have not both been trained yet"), "{}", pair.body);
    // Nothing was launched into a folder: that is said, and the server stays.
    let empty = tempfile::tempdir().unwrap();
    let server = crate::browser::Server::of(empty.path());
    assert_eq!((server.get("/").status, server.get("/s/made").status), (404, 404));
}
