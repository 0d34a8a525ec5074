//! Pictures out of a device: its buffers in our memory, the newest of which is looked at.

use super::{
    Choice, Device,
    abi::{
        CAP_TIMEPERFRAME, COLORSPACE_JPEG, COLORSPACE_REC709, FIELD_ANY, Fraction, PixFormat,
        QUANTIZATION_FULL, SetParameters, YCBCR_ENC_709, YCBCR_ENC_DEFAULT,
    },
    ioctl,
    modes::{Format, Interval},
    queue::{Queue, Stamp, Taken},
};
use media::Mono;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Buffers asked for: one that is looked at, one that is being filled, and two between, since some
/// drivers hold one back.
const BUFFERS: u32 = 4;

/// How samples become colours, as far as the driver says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Colours {
    /// BT.709, else BT.601.
    pub(crate) hd: bool,
    /// Black is 0, not 16.
    pub(crate) full_range: bool,
}

/// What the driver agreed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// What it gives.
    pub(crate) choice: Choice,
    /// Bytes from one row to the next.
    pub(crate) stride: usize,
    /// What its samples mean.
    pub(crate) colours: Colours,
}

/// A picture in a buffer of the device.
pub(crate) struct Shot<'a> {
    /// What the device wrote.
    pub(crate) bytes: &'a [u8],
    /// When, by the driver; `None` if it tells by another clock.
    pub(crate) captured: Option<Mono>,
    /// Counts pictures, those left out by the driver, too.
    pub(crate) sequence: u32,
    /// Older pictures that were skipped.
    pub(crate) passed: u32,
}

/// A device that gives pictures.
pub(crate) struct Stream {
    device: Device,
    queue: Queue,
    layout: Layout,
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Stream {
    /// Sets the device up as chosen, as far as it agrees, and starts it.
    ///
    /// # Errors
    /// `EBUSY` if another program uses it, others as the driver has them.
    pub(crate) fn start(device: Device, choice: Choice) -> nix::Result<Self> {
        let layout = agree(&device, choice)?;
        let queue = Queue::new(&device, device.kind(), BUFFERS)?;
        let stream = Self { device, queue, layout };
        (0..stream.queue.len()).try_for_each(|index| stream.queue.give(&stream.device, index))?;
        stream.queue.start(&stream.device)?;
        Ok(stream)
    }

    /// The device.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// What it agreed to.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Shows the newest picture to `look`, after which the device may overwrite it, and leaves out
    /// the older ones. `None` if there is none.
    ///
    /// # Errors
    /// `ENODEV` if the device is gone, others as the driver has them.
    pub(crate) fn newest<T>(&mut self, look: impl FnOnce(Shot<'_>) -> T) -> nix::Result<Option<T>> {
        let (mut newest, mut passed): (Option<Taken>, u32) = (None, 0);
        while let Some(taken) = self.queue.take(&self.device)? {
            // A damaged picture is not shown.
            let leave = if taken.damaged { Some(taken) } else { newest.replace(taken) };
            if let Some(leave) = leave {
                passed += 1;
                self.queue.give(&self.device, leave.index)?;
            }
        }
        let Some(Taken { index, content, sequence, stamp, .. }) = newest else { return Ok(None) };
        let Some(mapping) = self.queue.buffer(index) else { return Err(Errno::EPROTO) };
        let all = mapping.bytes();
        // Some drivers leave the length out.
        let end = if content.is_empty() { all.len() } else { all.len().min(content.end) };
        let shot = Shot {
            bytes: &all[content.start.min(end)..end],
            captured: captured(stamp),
            sequence,
            passed,
        };
        let seen = look(shot);
        self.queue.give(&self.device, index)?;
        Ok(Some(seen))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.queue.stop(&self.device);
    }
}

/// Tells the driver the format and the rate. What it makes of them is what comes.
fn agree(device: &Device, choice: Choice) -> nix::Result<Layout> {
    let Choice { width, height, code, .. } = choice;
    let asked = PixFormat { width, height, format: code, field: FIELD_ANY, ..PixFormat::default() };
    let got = device.kind().set_format(device, asked)?;
    let Some(kind) = Format::of(got.format) else { return Err(Errno::EPROTO) };
    let Interval { numerator, denominator } = choice.interval;
    let mut rate = SetParameters::new(device.kind().number(), Fraction { numerator, denominator });
    // Not every driver knows rates; then pictures come as they come.
    let told = ioctl::ask(device, &mut rate).is_ok() && rate.capability & CAP_TIMEPERFRAME != 0;
    let interval = if told { rate.interval.into() } else { choice.interval };
    let choice =
        Choice { code: got.format, format: kind, width: got.width, height: got.height, interval };
    Ok(Layout { choice, stride: got.bytesperline as usize, colours: colours(&got) })
}

fn colours(pix: &PixFormat) -> Colours {
    let hd = match pix.ycbcr_enc {
        YCBCR_ENC_DEFAULT => pix.colorspace == COLORSPACE_REC709,
        told => told == YCBCR_ENC_709,
    };
    let full_range = match pix.quantization {
        0 => pix.colorspace == COLORSPACE_JPEG,
        told => told == QUANTIZATION_FULL,
    };
    Colours { hd, full_range }
}

/// The time that the driver wrote down, if by the clock that all of this program uses.
fn captured(stamp: Option<Stamp>) -> Option<Mono> {
    let Stamp { micros, monotonic, .. } = stamp?;
    let nanos = micros.checked_mul(1000)?;
    (monotonic && nanos > 0).then(|| Mono::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_from_the_right_clock_only() {
        let stamp = |micros, monotonic| Some(Stamp { micros, monotonic, copied: false });
        assert_eq!(captured(stamp(12_345_678, true)), Some(Mono::from_nanos(12_345_678_000)));
        assert_eq!(captured(stamp(12_345_678, false)), None, "it is not said which clock this is");
        assert_eq!(
            [captured(stamp(0, true)), captured(None), captured(stamp(u64::MAX, true))],
            [None; 3]
        );
    }

    #[test]
    fn colours_are_as_the_driver_says_or_as_the_kernel_documents_its_defaults() {
        let pix = |colorspace, ycbcr_enc, quantization| PixFormat {
            colorspace,
            ycbcr_enc,
            quantization,
            ..PixFormat::default()
        };
        let of = |pix| {
            let Colours { hd, full_range } = colours(&pix);
            (hd, full_range)
        };
        assert_eq!(of(pix(COLORSPACE_REC709, 0, 0)), (true, false));
        assert_eq!(of(pix(COLORSPACE_JPEG, 0, 0)), (false, true));
        assert_eq!(of(pix(8, 0, 0)), (false, false), "sRGB, as webcams say");
        assert_eq!(of(pix(8, YCBCR_ENC_709, QUANTIZATION_FULL)), (true, true));
    }
}
