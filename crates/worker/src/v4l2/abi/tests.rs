use super::*;
use std::mem::offset_of;

/// Numbers that `linux/videodev2.h` gives on 64-bit machines; the sizes are in them.
#[test]
#[cfg(target_pointer_width = "64")]
fn requests_have_the_numbers_of_the_kernel() {
    let numbers = [
        (Capability::NUMBER, 0x8068_5600),
        (FormatDescription::NUMBER, 0xc040_5602),
        (SetFormat::NUMBER, 0xc0d0_5605),
        (RequestBuffers::NUMBER, 0xc014_5608),
        (SetFormatInPlanes::NUMBER, 0xc0d0_5605),
        (Ask::Where.number(), 0xc058_5609),
        (Ask::Queue.number(), 0xc058_560f),
        (Ask::Dequeue.number(), 0xc058_5611),
        (StreamOn::NUMBER, 0x4004_5612),
        (StreamOff::NUMBER, 0x4004_5613),
        (SetParameters::NUMBER, 0xc0cc_5616),
        (GetControl::NUMBER, 0xc008_561b),
        (SetControl::NUMBER, 0xc008_561c),
        (QueryControl::NUMBER, 0xc044_5624),
        (QueryMenu::NUMBER, 0xc02c_5625),
        (FrameSize::NUMBER, 0xc02c_564a),
        (FrameInterval::NUMBER, 0xc034_564b),
        (Selection::NUMBER, 0xc040_565f),
    ];
    for (ours, theirs) in numbers {
        assert_eq!(ours, theirs, "{ours:#x} {theirs:#x}");
    }
}

#[test]
fn fields_are_where_the_kernel_has_them() {
    assert_eq!(offset_of!(Capability, device_caps), 88);
    assert_eq!(offset_of!(FormatDescription, format), 44);
    assert_eq!(offset_of!(SetFormat, pix), size_of::<usize>());
    assert_eq!((offset_of!(PixFormat, colorspace), offset_of!(PixFormat, quantization)), (24, 40));
    assert_eq!(offset_of!(SetParameters, interval), 12);
    assert_eq!(offset_of!(QueryControl, minimum), 40);
    assert_eq!(offset_of!(QueryControl, flags), 56);
    assert_eq!(offset_of!(QueryMenu, name), 8);
    assert_eq!(offset_of!(FrameSize, sizes), 12);
    assert_eq!(offset_of!(FrameInterval, intervals), 20);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn fields_of_a_buffer_are_where_the_kernel_has_them() {
    let at = [
        (offset_of!(Buffer, timestamp), 24),
        (offset_of!(Buffer, sequence), 56),
        (offset_of!(Buffer, memory), 60),
        (offset_of!(Buffer, place), 64),
        (offset_of!(Buffer, length), 72),
    ];
    at.iter().for_each(|(ours, theirs)| assert_eq!(ours, theirs));
}

#[test]
fn names_of_formats_are_shown_as_people_write_them() {
    assert_eq!([YUYV, MJPG, GREY].map(|f| f.to_string()), ["YUYV", "MJPG", "GREY"]);
    assert_eq!(FourCc::new(*b"Y16 ").to_string(), "Y16");
    assert_eq!(FourCc(0).to_string(), "");
    assert_eq!(text(b"USB\x07 cam\0rubbish"), "USB cam");
}
