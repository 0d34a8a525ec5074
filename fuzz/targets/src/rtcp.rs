//! RTCP: what is read, and that what is written is read back.

use proto::rtp::rtcp;

/// Takes the bytes as a compound packet.
///
/// # Panics
/// If a report that was read is not the same after writing and reading it.
pub fn rtcp(data: &[u8]) {
    rtcp::is_rtcp(data);
    for report in rtcp::sender_reports(data) {
        let cname = String::from_utf8_lossy(data);
        let written = rtcp::write_sender_report(&report, &cname);
        assert_eq!(written.len() % 4, 0);
        assert!(rtcp::sender_reports(&written).eq([report]));
        report.wall();
    }
}
