use super::*;
use std::io::Write;
use tracing::callsite::DefaultCallsite;
use tracing_subscriber::layer::SubscriberExt;

fn at(ms: u64) -> Mono {
    Mono::from_nanos((5000 + ms) * 1_000_000)
}

static HERE: DefaultCallsite = {
    static META: tracing::Metadata<'static> = tracing::metadata! {
        name: "here", target: "t", level: Level::WARN, fields: &[], callsite: &HERE, kind: tracing::metadata::Kind::EVENT
    };
    DefaultCallsite::new(&META)
};

fn key(camera: &str) -> Key {
    Key { callsite: Identifier(&HERE), camera: Some(camera.into()) }
}

fn admit(faults: &mut Faults, ms: u64, camera: &str) -> bool {
    faults.admit(at(ms), key(camera), Level::WARN, "no route".into())
}

fn counts(faults: &mut Faults, ms: u64) -> Vec<u64> {
    faults.due(at(ms)).into_iter().map(|r| r.count).collect()
}

#[test]
fn a_fault_that_repeats_is_told_once_a_second_with_a_count() {
    let mut faults = Faults::default();
    let told: Vec<u64> = (0..3000).step_by(10).filter(|ms| admit(&mut faults, *ms, "a")).collect();
    assert_eq!(told, [0], "whatever is folded waits for the count");
    assert_eq!(counts(&mut faults, 3000), [299]);
    assert!(!admit(&mut faults, 3500, "a"));
    assert_eq!(counts(&mut faults, 3900), [0; 0], "not yet a second");
    assert_eq!(counts(&mut faults, 4000), [1]);
    assert_eq!(counts(&mut faults, 5000), [0; 0]);
    assert!(faults.0.is_empty(), "a fault that has stopped is forgotten");
    assert!(admit(&mut faults, 5001, "a"), "and is news when it comes again");
}

#[test]
fn cameras_do_not_hide_each_other() {
    let mut faults = Faults::default();
    assert!(
        admit(&mut faults, 0, "a") && admit(&mut faults, 1, "b") && !admit(&mut faults, 2, "a")
    );
}

#[test]
fn memory_is_bounded_and_nothing_is_lost_beyond() {
    let mut faults = Faults::default();
    assert!((0..5000).all(|n| admit(&mut faults, 0, &n.to_string())));
    assert_eq!(faults.0.len(), MAX_FAULTS);
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_layer_folds_faults_and_leaves_news_alone() {
    let (fold, sink) = (Fold::new(Clock::new()), Sink::default());
    let writer = sink.clone();
    let fmt = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone());
    tracing::subscriber::with_default(
        tracing_subscriber::registry().with(fold.clone()).with(fmt),
        || {
            for n in 0..50 {
                tracing::warn!(camera = %"front", n, "no route");
                tracing::info!(camera = "front", "news");
            }
            std::thread::sleep(EVERY);
            fold.flush();
        },
    );
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|l| l["message"] == "news").count(), 50);
    let faults: Vec<_> = lines.iter().filter(|l| l["message"] == "no route").collect();
    assert_eq!(
        (faults.len(), &faults[1]["repeated"], &faults[1]["camera"]),
        (2, &49.into(), &"front".into())
    );
}
