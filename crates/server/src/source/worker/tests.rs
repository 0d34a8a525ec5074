//! Shell scripts play workers that go wrong; the real one is met by the black-box tests.

use super::*;
use crate::{clock::Clock, workers::Program};
use hub::{Stream, StreamOptions};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn source(script: &str) -> WorkerSource {
    let program = Program { path: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
    let picture = TestPicture {
        name: "desk".into(),
        width: 64,
        height: 64,
        fps: 1,
        gop: 1,
        bitrate: 1,
        noise: 0,
    };
    WorkerSource::test_picture(Spawner::of(program).unwrap(), picture)
}

fn context() -> Context {
    let clock = Clock::new();
    Context {
        stream: Stream::new("desk", StreamOptions::default(), clock.now()),
        clock,
        stop: CancellationToken::new(),
    }
}

async fn words(script: &str) -> (Fault, String) {
    let exit =
        tokio::time::timeout(Duration::from_secs(20), source(script).run(context())).await.unwrap();
    (exit.fault, exit.words.to_string())
}

#[tokio::test]
async fn ends_are_told_in_words() {
    for (script, expected) in [
        ("kill -9 $$", "the worker process was killed by signal 9 (SIGKILL)"),
        ("exit 3", "the worker process exited with code 3"),
        (
            "echo one >&2; echo no codec >&2; exit 1",
            "the worker process exited with code 1; its last words: one / no codec",
        ),
        (
            "exec <&-; sleep 9",
            "the worker process closed its connection, did not exit and was killed",
        ),
    ] {
        assert_eq!(words(script).await, (Fault::Crashed, expected.to_owned()), "{script}");
    }
}

#[tokio::test]
async fn nonsense_ends_the_worker() {
    let (fault, text) = words("printf 'hello, world' >&0; sleep 9").await;
    assert_eq!(fault, Fault::Crashed);
    assert!(text.contains("nonsense") && text.contains("bytes"), "{text}");
    // A well-formed message, but not the greeting.
    let (_, text) = words(r"printf '\004\000\000\000\005\001\000x' >&0; sleep 9").await;
    assert!(text.contains("nonsense") && text.contains("version"), "{text}");
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed() {
    let (fault, text) = words("exec sleep 60").await;
    assert_eq!(fault, Fault::Stalled);
    assert!(text.contains("no sign of life"), "{text}");
}

#[tokio::test]
async fn a_worker_that_ignores_a_stop_is_killed_in_time() {
    let ctx = context();
    ctx.stop.cancel();
    let run = async { source("exec sleep 60").run(ctx).await };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), run).await.unwrap().fault,
        Fault::Stopped
    );
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_as_the_cause() {
    let program = Program { path: "/nonexistent".into(), arguments: Vec::new() };
    let picture = TestPicture {
        name: "desk".into(),
        width: 64,
        height: 64,
        fps: 1,
        gop: 1,
        bitrate: 1,
        noise: 0,
    };
    let exit =
        WorkerSource::test_picture(Spawner::of(program).unwrap(), picture).run(context()).await;
    assert!(exit.words.contains("cannot start a worker process: No such file"), "{}", exit.words);
}
