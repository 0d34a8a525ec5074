//! Pictures out of a device: its buffers in our memory, the newest of which is looked at.

use super::{
    Choice, Device,
    abi::{
        BUF_FLAG_ERROR, BUF_FLAG_TIMESTAMP_MASK, BUF_FLAG_TIMESTAMP_MONOTONIC, BUF_TYPE_CAPTURE, Buffer, CAP_TIMEPERFRAME,
        COLORSPACE_JPEG, COLORSPACE_REC709, Dequeue, FIELD_ANY, Fraction, MEMORY_MMAP, PixFormat, QUANTIZATION_FULL, QueryBuffer,
        Queue, RequestBuffers, SetFormat, SetParameters, StreamOff, StreamOn, YCBCR_ENC_709, YCBCR_ENC_DEFAULT,
    },
    ioctl::{self, Mapping},
    modes::{Format, Interval},
};
use media::Mono;
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Buffers asked for: one that is looked at, one that is being filled, and two between, since some drivers hold one back.
const BUFFERS: u32 = 4;
/// Most that a driver may give.
const MAX_BUFFERS: u32 = 32;

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
    /// Older pictures that nobody has looked at.
    pub(crate) passed: u32,
}

/// A device that gives pictures.
pub(crate) struct Stream {
    device: Device,
    buffers: Vec<Mapping>,
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
    /// `EBUSY` if somebody else uses it, others as the driver has them.
    pub(crate) fn start(device: Device, choice: Choice) -> nix::Result<Self> {
        let layout = agree(&device, choice)?;
        let mut asked =
            RequestBuffers { count: BUFFERS, kind: BUF_TYPE_CAPTURE, memory: MEMORY_MMAP, ..RequestBuffers::default() };
        ioctl::ask(&device, &mut asked)?;
        let buffers = (0..asked.count.min(MAX_BUFFERS)).map(|index| {
            let mut query = QueryBuffer(Buffer::new(index));
            ioctl::ask(&device, &mut query)?;
            let QueryBuffer(Buffer { offset, length, .. }) = query;
            Mapping::new(&device, offset.offset, length as usize)
        });
        let buffers = buffers.collect::<nix::Result<Vec<_>>>()?;
        let stream = Self { device, buffers, layout };
        (0..stream.buffers.len() as u32).try_for_each(|index| stream.give_back(index))?;
        ioctl::ask(&stream.device, &mut StreamOn(BUF_TYPE_CAPTURE))?;
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

    /// Shows the newest picture to `look`, after which the device may overwrite it, and leaves out the older ones. `None` if there is none.
    ///
    /// # Errors
    /// `ENODEV` if the device is gone, others as the driver has them.
    pub(crate) fn newest<T>(&mut self, look: impl FnOnce(Shot<'_>) -> T) -> nix::Result<Option<T>> {
        let (mut newest, mut passed): (Option<Buffer>, u32) = (None, 0);
        while let Some(buffer) = self.dequeue()? {
            // A damaged picture is not shown.
            let (keep, leave) = if buffer.flags & BUF_FLAG_ERROR == 0 { (Some(buffer), newest) } else { (newest, Some(buffer)) };
            newest = keep;
            if let Some(leave) = leave {
                passed += 1;
                self.give_back(leave.index)?;
            }
        }
        let Some(buffer) = newest else { return Ok(None) };
        let Some(mapping) = self.buffers.get_mut(buffer.index as usize) else { return Err(Errno::EPROTO) };
        let all = mapping.bytes();
        // Some drivers leave the length out.
        let used = if buffer.bytesused == 0 { all.len() } else { all.len().min(buffer.bytesused as usize) };
        let shot = Shot { bytes: &all[..used], captured: captured(&buffer), sequence: buffer.sequence, passed };
        let seen = look(shot);
        self.give_back(buffer.index)?;
        Ok(Some(seen))
    }

    fn dequeue(&self) -> nix::Result<Option<Buffer>> {
        let mut buffer = Dequeue(Buffer::new(0));
        match ioctl::ask(&self.device, &mut buffer) {
            Ok(()) => Ok(Some(buffer.0)),
            Err(Errno::EAGAIN) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn give_back(&self, index: u32) -> nix::Result<()> {
        ioctl::ask(&self.device, &mut Queue(Buffer::new(index)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that is gone needs no goodbye.
        let _ = ioctl::ask(&self.device, &mut StreamOff(BUF_TYPE_CAPTURE));
    }
}

/// Tells the driver the format and the rate. What it makes of them is what comes.
fn agree(device: &Device, choice: Choice) -> nix::Result<Layout> {
    let Choice { width, height, code, .. } = choice;
    let mut format = SetFormat::new(PixFormat { width, height, format: code, field: FIELD_ANY, ..PixFormat::default() });
    ioctl::ask(device, &mut format)?;
    let got = format.pix.0;
    let Some(kind) = Format::of(got.format) else { return Err(Errno::EPROTO) };
    let Interval { numerator, denominator } = choice.interval;
    let mut rate = SetParameters::new(Fraction { numerator, denominator });
    // Not every driver knows rates; then pictures come as they come.
    let told = ioctl::ask(device, &mut rate).is_ok() && rate.capability & CAP_TIMEPERFRAME != 0;
    let interval = if told { rate.interval.into() } else { choice.interval };
    let choice = Choice { code: got.format, format: kind, width: got.width, height: got.height, interval };
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
fn captured(buffer: &Buffer) -> Option<Mono> {
    let monotonic = buffer.flags & BUF_FLAG_TIMESTAMP_MASK == BUF_FLAG_TIMESTAMP_MONOTONIC;
    let seconds = u64::try_from(buffer.timestamp.tv_sec).ok()?;
    let micros = u64::try_from(buffer.timestamp.tv_usec).ok()?;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(micros.checked_mul(1000)?)?;
    (monotonic && nanos > 0).then(|| Mono::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_from_the_right_clock_only() {
        let mut buffer = Buffer::new(0);
        buffer.timestamp.tv_sec = 12;
        buffer.timestamp.tv_usec = 345_678;
        assert_eq!(captured(&buffer), None, "nobody says which clock this is");
        buffer.flags = BUF_FLAG_TIMESTAMP_MONOTONIC;
        assert_eq!(captured(&buffer), Some(Mono::from_nanos(12_345_678_000)));
        buffer.flags = 0x4000;
        assert_eq!(captured(&buffer), None, "copied from elsewhere");
        buffer.flags = BUF_FLAG_TIMESTAMP_MONOTONIC;
        buffer.timestamp.tv_sec = -1;
        assert_eq!(captured(&buffer), None);
    }

    #[test]
    fn colours_are_as_the_driver_says_or_as_the_kernel_documents_its_defaults() {
        let pix = |colorspace, ycbcr_enc, quantization| PixFormat { colorspace, ycbcr_enc, quantization, ..PixFormat::default() };
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
