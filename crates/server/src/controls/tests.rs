//! Checks, and the meeting of sources and people.

use super::*;
use crate::state::StateDir;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Duration};

fn controls() -> Vec<Control> {
    let control = |name: &str, kind, value, default, access| Control {
        name: name.into(),
        kind,
        value,
        default,
        access,
    };
    let item = |value, name: &str| Item { value, name: name.into() };
    let menu = Kind::Menu(vec![item(0, "auto"), item(4, "indoor"), item(7, "Daylight")]);
    let (zero, auto) = (Some(Value::Float(0.0)), Some(Value::Item(0)));
    vec![
        control(
            "brightness",
            Kind::Float { minimum: -1.0, maximum: 1.0 },
            zero,
            zero,
            Access::Settable,
        ),
        control(
            "gain",
            Kind::Int { minimum: 10, maximum: 100, step: 8 },
            Some(Value::Int(10)),
            None,
            Access::Settable,
        ),
        control("awb", menu, auto, auto, Access::Settable),
        control("flip", Kind::Bool, None, Some(Value::Bool(false)), Access::Settable),
        control(
            "exposure_time",
            Kind::Int { minimum: 1, maximum: 9, step: 0 },
            None,
            None,
            Access::Inactive("ae is on".into()),
        ),
        control(
            "temperature",
            Kind::Int { minimum: 0, maximum: 9, step: 1 },
            None,
            None,
            Access::ReadOnly,
        ),
    ]
}

fn wishes(json: Json) -> Wishes {
    json.as_object().unwrap().clone()
}

fn error(json: Json) -> ControlError {
    check(&controls(), &wishes(json)).unwrap_err()
}

fn desk() -> Desk {
    let desk = Desk::default();
    desk.expect(true);
    desk
}

fn value(desk: &Desk, name: &str) -> Option<Value> {
    desk.list().unwrap().0.iter().find(|control| *control.name == *name).unwrap().value
}

#[test]
fn wishes_are_understood_by_the_kind_of_the_control() {
    let all = json!({ "awb": "daylight", "brightness": -1, "gain": 26.0, "flip": true, "exposure_time": 9 });
    let understood = check(&controls(), &wishes(all)).unwrap();
    let values: Vec<_> = understood.iter().map(|setting| (&*setting.name, setting.value)).collect();
    let expected = [
        ("brightness", Value::Float(-1.0)),
        ("gain", Value::Int(26)),
        ("awb", Value::Item(7)),
        ("flip", Value::Bool(true)),
        ("exposure_time", Value::Int(9)),
    ];
    assert_eq!(values, expected, "in the order of the controls");
    assert_eq!(
        check(&controls(), &wishes(json!({ "awb": 4 }))).unwrap()[0].value,
        Value::Item(4),
        "by the device's number"
    );
    assert_eq!(
        check(&controls(), &wishes(json!({ "awb": null }))).unwrap()[0].value,
        Value::Item(0),
        "the default"
    );
}

#[test]
fn what_is_wrong_with_a_wish_is_told_with_what_would_be_right() {
    for (wish, code, words) in [
        (json!({ "brightnes": 0 }), "control_not_found", "did you mean brightness?"),
        (
            json!({ "quux": 0 }),
            "control_not_found",
            "known here: brightness, gain, awb, flip, exposure_time, temperature",
        ),
        (
            json!({ "brightness": 1.01 }),
            "control_out_of_range",
            "brightness cannot be 1.01; it may be -1 to 1",
        ),
        (
            json!({ "brightness": "high" }),
            "control_wrong_kind",
            "brightness is a number, and cannot be \"high\"",
        ),
        (
            json!({ "gain": 30 }),
            "control_out_of_range",
            "gain cannot be 30; it may be 10 to 100 in steps of 8",
        ),
        (json!({ "gain": 30 }), "control_out_of_range", "the nearest is 34"),
        (json!({ "gain": 1000 }), "control_out_of_range", "the nearest is 98"),
        (json!({ "gain": 10.5 }), "control_wrong_kind", "a whole number"),
        (json!({ "gain": null }), "control_without_default", "the default of gain is not known"),
        (
            json!({ "awb": "moon" }),
            "control_out_of_range",
            "awb cannot be moon; it may be auto, indoor, Daylight",
        ),
        (json!({ "awb": 5 }), "control_out_of_range", "awb cannot be 5"),
        (json!({ "flip": 1 }), "control_wrong_kind", "it may be true or false"),
        (json!({ "exposure_time": 3 }), "control_not_changeable", "ae is on"),
        (json!({ "temperature": 3, "gain": 10 }), "control_not_changeable", "it can only be read"),
    ] {
        let error = error(wish.clone());
        let told = format!("{error}; {}", error.hint());
        assert!(error.code() == code && told.contains(words), "{wish}: {} {told}", error.code());
    }
}

#[test]
fn controls_are_shown_with_all_that_a_page_needs() {
    let shown = serde_json::to_value(controls()).unwrap();
    let awb = json!({
        "name": "awb", "kind": "menu", "value": "auto", "default": "auto", "minimum": null, "maximum": null, "step": null,
        "items": [{ "value": 0, "name": "auto" }, { "value": 4, "name": "indoor" }, { "value": 7, "name": "Daylight" }],
        "changeable": true, "reason": null,
    });
    assert_eq!(shown[2], awb);
    assert_eq!(
        (&shown[1]["minimum"], &shown[1]["step"], &shown[1]["kind"]),
        (&json!(10), &json!(8), &json!("int"))
    );
    assert_eq!((&shown[4]["changeable"], &shown[4]["reason"]), (&json!(false), &json!("ae is on")));
}

#[tokio::test]
async fn a_camera_without_controls_says_so() {
    assert_eq!(Desk::default().set(wishes(json!({ "gain": 1 }))).await, Err(ControlError::None));
    assert_eq!(Desk::default().list(), Err(ControlError::None));
}

#[tokio::test]
async fn a_source_is_asked_and_its_answer_is_what_is_true() {
    let desk = desk();
    let mut offer = desk.offer(controls());
    let source = async {
        let order = offer.next().await;
        assert_eq!(order.settings.len(), 2);
        order.done(vec![("gain".into(), "I/O error".to_owned())]);
        let order = offer.next().await;
        let mut clamped = controls();
        clamped[0].value = Some(Value::Float(0.5));
        order.done_with(clamped, Vec::new());
    };
    let people = async {
        let refused = desk.set(wishes(json!({ "gain": 18, "flip": true }))).await.unwrap_err();
        assert_eq!(refused.to_string(), "the camera does not take gain (I/O error)");
        assert_eq!(
            (value(&desk, "flip"), value(&desk, "gain")),
            (Some(Value::Bool(true)), Some(Value::Int(10)))
        );
        assert_eq!(desk.wishes(), wishes(json!({ "flip": true })), "what was refused is not kept");
        assert_eq!(desk.set(wishes(json!({ "brightness": 0.51 }))).await, Ok(Outcome::Done));
        assert_eq!(value(&desk, "brightness"), Some(Value::Float(0.5)), "as the device tells");
    };
    tokio::join!(source, people);
}

#[tokio::test]
async fn what_was_set_is_set_again_when_a_source_begins_anew() {
    let desk = desk();
    assert_eq!(
        desk.set(wishes(json!({ "flip": true, "exposure_time": 3, "fog": 1 }))).await,
        Ok(Outcome::Kept),
        "unseen"
    );
    for _ in 0..2 {
        let mut offer = desk.offer(controls());
        let order = offer.next().await;
        let names: Vec<_> = order.settings.iter().map(|setting| &*setting.name).collect();
        assert_eq!(names, ["flip", "exposure_time"], "what this camera does not have is left out");
        order.done(Vec::new());
        assert_eq!(value(&desk, "flip"), Some(Value::Bool(true)));
        assert!(desk.list().unwrap().1);
        drop(offer);
        assert!(!desk.list().unwrap().1);
    }
    assert_eq!(
        desk.set(wishes(json!({ "flip": null, "gain": 18 }))).await,
        Ok(Outcome::Kept),
        "offline"
    );
    assert_eq!(
        error_of(&desk, json!({ "gain": 1 })).await.code(),
        "control_out_of_range",
        "checked by what was last seen"
    );
    let order = desk.offer(controls()).next().await;
    assert_eq!(
        order.settings.iter().map(|s| &*s.name).collect::<Vec<_>>(),
        ["gain", "exposure_time"]
    );
}

async fn error_of(desk: &Desk, json: Json) -> ControlError {
    desk.set(wishes(json)).await.unwrap_err()
}

#[tokio::test]
async fn what_a_dying_source_did_not_do_is_done_by_the_next() {
    let desk = desk();
    let mut offer = desk.offer(controls());
    let (outcome, ()) = tokio::join!(desk.set(wishes(json!({ "gain": 18 }))), async {
        let order = offer.next().await;
        drop((order, offer));
    });
    assert_eq!(outcome, Ok(Outcome::Kept));
    assert_eq!(desk.offer(controls()).next().await.settings[0].value, Value::Int(18));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_does_not_hang_people_and_its_mailbox_is_bounded() {
    let desk = desk();
    let _offer = desk.offer(controls());
    let began = tokio::time::Instant::now();
    assert!(matches!(error_of(&desk, json!({ "gain": 18 })).await, ControlError::NoAnswer(_)));
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    let many = (0..100).map(|_| error_of(&desk, json!({ "gain": 18 })));
    let busy = futures::future::join_all(many)
        .await
        .into_iter()
        .filter(|error| *error == ControlError::Busy)
        .count();
    assert_eq!(busy, 85);
}

#[tokio::test]
async fn an_old_source_that_ends_late_does_not_take_the_new_one_away() {
    let desk = desk();
    let old = desk.offer(controls());
    let _new = desk.offer(controls());
    old.update(Vec::new());
    drop(old);
    let (listed, online) = desk.list().unwrap();
    assert!(online && !listed.is_empty());
}

#[tokio::test]
async fn settings_outlive_the_server_and_a_broken_file_does_not_stop_it() {
    let place = tempfile::tempdir().unwrap();
    let open = || Settings::open(StateDir::at(place.path()).unwrap());
    let (settings, desk) = (open(), desk());
    desk.set(wishes(json!({ "flip": true }))).await.unwrap();
    assert!(settings.save("pi", &desk).await.unwrap());
    assert_eq!(open().of("pi"), wishes(json!({ "flip": true })));
    for broken in
        ["", "{", "[]", r#"{"version":2,"cameras":{}}"#, r#"{"version":1,"cameras":{"pi":7}}"#]
    {
        std::fs::write(place.path().join("controls.json"), broken).unwrap();
        assert_eq!(open().of("pi"), Wishes::new());
    }
    desk.set(wishes(json!({ "flip": null }))).await.unwrap();
    settings.save("pi", &desk).await.unwrap();
    assert_eq!(open().of("pi"), Wishes::new());
}

proptest! {
    #[test]
    fn any_bounds_and_wishes_are_answered(minimum: i64, maximum: i64, step: i64, wish: i64, fraction: f64) {
        let kind = Kind::Int { minimum, maximum, step };
        let control = Control { name: Arc::from("x"), kind, value: None, default: None, access: Access::Settable };
        for wish in [json!(wish), json!(fraction), json!([wish]), json!(u64::MAX)] {
            let checked = check(std::slice::from_ref(&control), &Wishes::from_iter([("x".to_owned(), wish)]));
            if let Ok(settings) = checked {
                let Value::Int(value) = settings[0].value else { panic!() };
                prop_assert!((minimum..=maximum.max(minimum)).contains(&value));
            }
        }
    }
}
