//! What people see in Chromium.

use harness::Browser;

/// Everything that the tests say of latency rests on this: a clock drawn in a page, sent to the
/// same page and read again.
#[test]
fn the_measurement_itself_is_sound() {
    let Some(browser) = Browser::start().unwrap() else { return };
    browser.loopback("self").unwrap();
    let seen = browser.measure("self", 3.0).unwrap();
    eprintln!("{seen:?}");
    assert!(seen.fps > 20.0 && seen.unreadable == 0 && seen.backwards == 0, "{seen:?}");
    // Less than nothing would mean clocks that disagree.
    assert!(seen.latency_ms.min.unwrap() > 0.0 && seen.latency_ms.p50.unwrap() < 200.0, "{seen:?}");
}
