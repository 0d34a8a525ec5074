//! What the server tells a worker.

use super::{Error, Message, Reader, Writer};

/// A message from the server to a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToWorker {
    /// What to do; the first message, and sent once.
    Start(Job),
    /// Make the next frame a keyframe.
    ForceKeyframe,
    /// From now on aim at this many bits a second.
    SetBitrate(u32),
    /// Finish and exit.
    Stop,
}

/// What a worker can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Job {
    /// Draw the moving test picture and encode it.
    TestPicture(TestPicture),
}

/// How the test picture is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestPicture {
    /// The camera's name, shown in the picture.
    pub name: String,
    /// Luma columns, even.
    pub width: u16,
    /// Luma rows, even.
    pub height: u16,
    /// Frames a second.
    pub fps: u16,
    /// Frames from one keyframe to the next.
    pub gop: u16,
    /// Bits a second.
    pub bitrate: u32,
    /// How much of the picture is noise, which no encoder can predict, in percent: for tests that want the bitrate used up.
    pub noise: u8,
}

mod kind {
    pub(super) const START_TEST_PICTURE: u8 = 1;
    pub(super) const FORCE_KEYFRAME: u8 = 2;
    pub(super) const SET_BITRATE: u8 = 3;
    pub(super) const STOP: u8 = 4;
}

impl Message for ToWorker {
    fn write(&self, body: &mut Writer) -> u8 {
        match self {
            Self::Start(Job::TestPicture(job)) => {
                job.write(body);
                kind::START_TEST_PICTURE
            }
            Self::ForceKeyframe => kind::FORCE_KEYFRAME,
            Self::SetBitrate(bps) => {
                body.u32(*bps);
                kind::SET_BITRATE
            }
            Self::Stop => kind::STOP,
        }
    }

    fn read(mut body: Reader) -> Result<Self, Error> {
        let message = match body.kind() {
            kind::START_TEST_PICTURE => Self::Start(Job::TestPicture(TestPicture::read(&mut body)?)),
            kind::FORCE_KEYFRAME => Self::ForceKeyframe,
            kind::SET_BITRATE => Self::SetBitrate(body.u32()?),
            kind::STOP => Self::Stop,
            other => return Err(Error::Kind(other)),
        };
        body.end()?;
        Ok(message)
    }
}

impl TestPicture {
    fn write(&self, body: &mut Writer) {
        body.text(&self.name);
        for v in [self.width, self.height, self.fps, self.gop] {
            body.u16(v);
        }
        body.u32(self.bitrate);
        body.u8(self.noise);
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        Ok(Self {
            name: body.text("name")?,
            width: body.u16()?,
            height: body.u16()?,
            fps: body.u16()?,
            gop: body.u16()?,
            bitrate: body.u32()?,
            noise: body.u8()?,
        })
    }
}
