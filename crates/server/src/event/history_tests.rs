use super::*;

fn some(id: u64, kind: EventKind, camera: &str) -> Event {
    Event {
        id,
        kind,
        camera: (!camera.is_empty()).then(|| camera.into()),
        rendition: None,
        at: Wall::from_micros(id.cast_signed() * 1_000_000),
        message: format!("event {id}").into(),
    }
}

const ALL: (u64, u64) = (0, u64::MAX);

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id).collect()
}

#[test]
fn what_is_appended_is_read_again_by_every_filter() {
    let place = tempfile::tempdir().unwrap();
    let mut history = History::open(place.path()).unwrap();
    let kinds = [EventKind::CameraLive, EventKind::CameraOffline];
    let events: Vec<_> = (1..=10)
        .map(|id| some(id, kinds[(id % 2) as usize], if id < 6 { "front" } else { "yard" }))
        .collect();
    history.append(&events).unwrap();
    let read = |filter: &EventFilter, range, limit, newest| {
        History::reader(place.path()).unwrap().read(filter, range, limit, newest).unwrap()
    };
    let all = EventFilter::default();
    assert_eq!(read(&all, ALL, 100, false), events);
    assert_eq!(ids(&read(&all, ALL, 3, false)), [1, 2, 3]);
    assert_eq!(ids(&read(&all, ALL, 3, true)), [8, 9, 10]);
    assert_eq!(ids(&read(&all, (4, 7), 100, false)), [5, 6]);
    let filter = EventFilter {
        kinds: vec![EventKind::CameraOffline],
        camera: Some("front".into()),
        from: Some(Wall::from_micros(2_000_000)),
        to: Some(Wall::from_micros(5_000_000)),
    };
    let wanted: Vec<_> = events.iter().filter(|event| filter.accepts(event)).cloned().collect();
    assert_eq!(ids(&wanted), [3]);
    assert_eq!(read(&filter, ALL, 100, false), wanted, "disk and memory agree");
}

#[test]
fn ids_go_on_after_a_close_and_jump_after_a_crash() {
    let place = tempfile::tempdir().unwrap();
    let mut history = History::open(place.path()).unwrap();
    assert_eq!(history.next_id(), 1);
    history.append(&[some(1, EventKind::CameraLive, "a")]).unwrap();
    history.close(2).unwrap();
    let mut history = History::open(place.path()).unwrap();
    assert_eq!(history.next_id(), 2);
    history.append(&[some(2, EventKind::CameraLive, "a")]).unwrap();
    drop(history);
    let next = History::open(place.path()).unwrap().next_id();
    assert!(next > 2 + RESERVED / 2, "an id that was seen is not given again: {next}");
}

#[test]
fn the_oldest_go() {
    let place = tempfile::tempdir().unwrap();
    let mut history = History::open(place.path()).unwrap();
    let events: Vec<_> =
        (1..=MAX_EVENTS + 50).map(|id| some(id, EventKind::CameraLive, "a")).collect();
    history.append(&events).unwrap();
    let read = history.read(&EventFilter::default(), ALL, usize::MAX, false).unwrap();
    assert_eq!((read.len() as u64, read[0].id), (MAX_EVENTS, 51));
}

#[test]
fn a_damaged_file_is_put_aside_and_a_newer_one_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(FILE);
    fs::write(&file, [b'x'; 8192]).unwrap();
    let history = History::open(place.path()).unwrap();
    assert_eq!(history.next_id(), 1);
    assert_eq!(fs::read(place.path().join("events.sqlite.broken")).unwrap(), [b'x'; 8192]);
    history.db.pragma_update(None, "user_version", 99).unwrap();
    drop(history);
    let Err(refused) = History::open(place.path()) else { panic!("a newer version was opened") };
    assert!(refused.to_string().contains("version 99"), "{refused}");
}
