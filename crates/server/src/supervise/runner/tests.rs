use super::*;
use hub::{Event, ReaderOptions, State, StreamOptions};
use media::{AccessUnit, Catalog, Codec, Timing, TrackId};
use std::{collections::VecDeque, time::Duration};
use tokio::time::timeout;

/// A source that does one thing a run.
struct Script(VecDeque<Act>);

enum Act {
    Refuse,
    Panic,
    /// Publish, and go on until told to stop.
    Publish,
    /// Never say goodbye.
    Deaf,
}

impl Source for Script {
    fn label(&self) -> Arc<str> {
        "script".into()
    }

    async fn run(&mut self, ctx: Context) -> Exit {
        match self.0.pop_front() {
            None | Some(Act::Refuse) => Exit::new(Fault::Unreachable, "refused"),
            Some(Act::Panic) => panic!("secret"),
            Some(Act::Publish) => publish(&ctx).await,
            Some(Act::Deaf) => std::future::pending().await,
        }
    }
}

async fn publish(ctx: &Context) -> Exit {
    let publisher = match ctx.publish(&"script".into(), Catalog::new([(Codec::H264(None), 90_000)]))
    {
        Ok(publisher) => publisher,
        Err(exit) => return exit,
    };
    let now = ctx.clock.now();
    let unit = AccessUnit::new(
        TrackId(0),
        0,
        true,
        Timing::arrived(now),
        smallvec::smallvec![bytes::Bytes::from_static(b"\x65")],
    );
    publisher.push(now, unit).unwrap();
    ctx.stop.cancelled().await;
    Exit::stopped()
}

struct Bed {
    stream: Arc<Stream>,
    supervisor: Supervisor,
}

fn bed(script: impl IntoIterator<Item = Act>, policy: Policy) -> Bed {
    let clock = Clock::new();
    let stream = Stream::new(
        "cam",
        StreamOptions { stall_after: policy.stall_after, ..Default::default() },
        clock.now(),
    );
    let supervisor = supervise(Script(script.into_iter().collect()), stream.clone(), policy, clock);
    Bed { stream, supervisor }
}

impl Bed {
    async fn until(&self, what: &str, done: impl Fn(&Stream) -> bool) {
        let mut changes = self.stream.changes();
        let wait = async {
            while !done(&self.stream) {
                changes.changed().await.unwrap();
            }
        };
        timeout(Duration::from_secs(10), wait)
            .await
            .unwrap_or_else(|_| panic!("{what}: {:?}", self.stream.status()));
    }

    async fn state(&self, state: State) {
        self.until(state.as_str(), |s| s.status().state == state).await;
    }
}

#[tokio::test]
async fn faults_and_panics_are_counted_and_survived() {
    let bed = bed([Act::Refuse, Act::Panic, Act::Publish], Policy::default());
    bed.until("refused", |s| &*s.status().reason == "refused").await;
    bed.until("panicked", |s| s.status().reason.contains("internal error")).await;
    assert!(!bed.stream.status().reason.contains("secret"));
    bed.state(State::Live).await;
    assert_eq!(bed.supervisor.restarts(), [("unreachable", 1), ("panicked", 1)]);
    bed.supervisor.shutdown().await;
    assert_eq!(&*bed.stream.status().reason, "stopped with the server");
}

#[tokio::test]
async fn silence_ends_a_run_and_the_same_reader_goes_on() {
    let policy = Policy { stall_after: Duration::from_millis(300), ..Policy::default() };
    let bed = bed([Act::Publish, Act::Publish], policy);
    let mut reader = bed.stream.subscribe(ReaderOptions::default());
    bed.until("stalled", |s| s.status().state == State::Stalled).await;
    bed.until("live again", |s| s.stats().publishers == 2 && s.status().state == State::Live).await;
    assert_eq!(bed.supervisor.restarts(), [("stalled", 1)]);
    let mut units = 0;
    while units < 2 {
        let event = timeout(Duration::from_secs(5), reader.next()).await.unwrap();
        units += usize::from(matches!(event, Event::Unit(..)));
    }
}

#[tokio::test]
async fn the_stall_time_changes_while_a_source_runs() {
    let bed = bed([Act::Publish, Act::Publish], Policy::default());
    bed.state(State::Live).await;
    bed.supervisor.set_stall_after(Duration::from_millis(100));
    bed.until("run again", |s| s.stats().publishers == 2).await;
    assert_eq!(bed.supervisor.restarts(), [("stalled", 1)]);
}

#[tokio::test]
async fn a_source_that_does_not_listen_is_dropped_after_the_grace() {
    let policy = Policy { stop_grace: Duration::from_millis(50), ..Policy::default() };
    let bed = bed([Act::Deaf, Act::Publish], policy);
    bed.state(State::Connecting).await;
    bed.supervisor.command(Command::Restart);
    bed.state(State::Live).await;
    assert!(bed.supervisor.restarts().is_empty(), "a restart by command is no fault");
}

#[tokio::test]
async fn on_demand_follows_the_readers() {
    let policy = Policy { on_demand: Some(Duration::from_millis(50)), ..Policy::default() };
    let bed = bed([Act::Publish, Act::Publish], policy);
    bed.until("idle", |s| s.status().reason.starts_with("on demand")).await;
    for turn in 1..=2 {
        let reader = bed.stream.subscribe(ReaderOptions::default());
        bed.state(State::Live).await;
        assert_eq!(bed.stream.stats().publishers, turn);
        drop(reader);
        bed.until("idle again", |s| s.status().reason.starts_with("on demand")).await;
    }
    assert!(bed.supervisor.restarts().is_empty());
}
