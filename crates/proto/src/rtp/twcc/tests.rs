use super::*;
use proptest::prelude::*;

/// A message made by hand from the figures of §3.1.
fn message(packets: u16, reference: i32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe];
    out.extend(packets.to_be_bytes());
    out.extend(&reference.to_be_bytes()[1..]);
    out.push(7);
    out.extend(body);
    out.resize(out.len().next_multiple_of(4), 0);
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    out
}

fn arrivals(bytes: &[u8]) -> Vec<Option<i64>> {
    Feedback::parse(bytes).unwrap().packets().map(|p| p.arrival).collect()
}

#[test]
fn every_kind_of_chunk_is_read() {
    // Two lost by a run; a one-bit vector 1, 0, 1 …; a two-bit vector large, small; deltas 4, 8 |
    // −2, 1.
    let body = [0x00, 0x02, 0xa8, 0x00, 0xe4, 0x00, 4, 8, 0xff, 0xfe, 1];
    let bytes = message(18, 3, &body);
    let feedback = Feedback::parse(&bytes).unwrap();
    assert_eq!((feedback.sender, feedback.media, feedback.count, feedback.reference), (1, 2, 7, 3));
    let sequences: Vec<_> = feedback.packets().map(|p| p.sequence).collect();
    assert_eq!(sequences[..4], [0xfffe, 0xffff, 0, 1]);
    let mut expected = vec![None, None, Some(772), None, Some(780)];
    expected.resize(16, None);
    expected.extend([Some(778), Some(779)]);
    assert_eq!(arrivals(&bytes), expected);
}

#[test]
fn the_reference_time_is_signed() {
    assert_eq!(arrivals(&message(1, -2, &[0x20, 0x01, 5])), [Some(-507)]);
}

#[test]
fn what_is_cut_short_or_reserved_is_refused() {
    let fault = |packets, body: &[u8]| Feedback::parse(&message(packets, 0, body)).unwrap_err();
    assert_eq!(fault(0, &[0x20, 0x00]), Error::Malformed);
    assert_eq!(fault(1, &[0x60, 0x01]), Error::Malformed);
    assert_eq!(fault(3, &[0xdc, 0x00, 1, 1]), Error::Malformed);
    assert_eq!(fault(9, &[0x20, 0x09]), Error::Short);
    assert_eq!(fault(9, &[0x20, 0x02]), Error::Short);
    let whole = message(1, 0, &[0x20, 0x01, 5]);
    (0..whole.len()).for_each(|cut| assert!(Feedback::parse(&whole[..cut]).is_err()));
    assert_eq!(Feedback::parse(&[0x81, 205, 0, 0]).unwrap_err(), Error::Kind);
    let mut padded = whole;
    padded[0] |= 0x20;
    *padded.last_mut().unwrap() = 200;
    assert_eq!(Feedback::parse(&padded).unwrap_err(), Error::Short);
}

#[test]
fn a_run_that_tells_of_more_than_there_are_is_cut() {
    assert_eq!(arrivals(&message(2, 0, &[0x3f, 0xff, 1, 1])), [Some(1), Some(2)]);
}

#[test]
fn messages_are_found_in_compounds() {
    let mut compound = crate::rtp::rtcp::write_receiver_report(1, None, "x").to_vec();
    compound.extend(write(1, 2, 0, 10, &[Some(5), None, Some(6)]).unwrap());
    compound.extend([0x8f, 205, 0, 0]);
    compound.extend(write(1, 2, 1, 13, &[None]).unwrap());
    assert_eq!(
        feedbacks(&compound).map(|f| (f.base, f.packets)).collect::<Vec<_>>(),
        [(10, 3), (13, 1)]
    );
}

#[test]
fn writing_refuses_what_a_message_cannot_tell() {
    assert!(write(1, 2, 0, 0, &[]).is_none());
    assert!(write(1, 2, 0, 0, &[Some(0), Some(40_000)]).is_none());
    assert!(write(1, 2, 0, 0, &vec![None; 65_536]).is_none());
    let most = write(1, 2, 0, 0, &vec![None; 65_535]).unwrap();
    assert_eq!(arrivals(&most).len(), 65_535);
}

fn history() -> impl Strategy<Value = Vec<Option<i64>>> {
    let step = prop_oneof![6 => (0i64..200).prop_map(Some), 1 => (-30_000i64..30_000).prop_map(Some), 3 => Just(None)];
    let runs = prop::collection::vec((step, 1usize..40), 1..60);
    runs.prop_map(|runs| {
        let mut time = 0;
        let one = |step: Option<i64>| {
            time += step.unwrap_or(0);
            step.map(|_| time)
        };
        runs.into_iter()
            .flat_map(|(step, times)| std::iter::repeat_n(step, times))
            .map(one)
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(base: u16, count: u8, start in -1_000_000_000i64..1_000_000_000, history in history()) {
        let arrivals: Vec<_> = history.iter().map(|a| a.map(|at| at + start)).collect();
        let bytes = write(1, 2, count, base, &arrivals).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        let feedback = Feedback::parse(&bytes).unwrap();
        prop_assert_eq!((feedback.base, feedback.count), (base, count));
        let read: Vec<_> = feedback.packets().collect();
        prop_assert_eq!(read.iter().map(|p| p.arrival).collect::<Vec<_>>(), arrivals);
        prop_assert!(read.iter().enumerate().all(|(i, p)| p.sequence == base.wrapping_add(i as u16)));
    }

    #[test]
    fn never_panics(mut bytes in prop::collection::vec(any::<u8>(), 4..80), tamper: bool) {
        if tamper {
            let words = (bytes.len() / 4 - 1) as u16;
            bytes[..2].copy_from_slice(&[0x8f, 205]);
            bytes[2..4].copy_from_slice(&words.to_be_bytes());
        }
        if let Ok(feedback) = Feedback::parse(&bytes) {
            prop_assert_eq!(feedback.packets().count(), usize::from(feedback.packets));
        }
    }
}
