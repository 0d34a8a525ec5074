//! What the server tells a worker.

use super::{
    Capture, Coded, Error, Message, Reader, Want, Writer,
    capture::{read_values, write_values},
    pictures::{read_wants, write_wants},
};

/// A message from the server to a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToWorker {
    /// What to do; the first message, and sent once.
    Start(Job),
    /// Make the next frame a keyframe.
    ForceKeyframe,
    /// The kinds of pictures wanted from now on; at most [`MAX_WANTS`](super::MAX_WANTS).
    Want(Vec<Want>),
    /// A frame to make pictures of.
    Decode(Coded),
    /// Set controls of the camera.
    SetControls {
        /// Number of this order, to be given back with the answer.
        order: u32,
        /// Values by name; at most [`MAX_CONTROLS`](super::MAX_CONTROLS).
        values: Vec<(String, i64)>,
    },
    /// Finish and exit.
    Stop,
}

/// What a worker can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Job {
    /// Draw the moving test picture and encode it.
    TestPicture(TestPicture),
    /// Take a camera's pictures and encode them.
    Capture(Capture),
    /// Draw what is shown while a camera has no picture, and encode it.
    Slate(Slate),
    /// Make pictures of the H.264 stream that the server sends.
    Pictures {
        /// The camera's name.
        name: String,
    },
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
    /// How much of the picture is noise, which no encoder can predict, in percent: for tests that
    /// want the bitrate used up.
    pub noise: u8,
}

/// What is shown while a camera has no picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slate {
    /// In large letters.
    pub title: String,
    /// Below it.
    pub text: String,
    /// Luma columns, even.
    pub width: u16,
    /// Luma rows, even.
    pub height: u16,
}

mod kind {
    pub(super) const START_TEST_PICTURE: u8 = 1;
    pub(super) const FORCE_KEYFRAME: u8 = 2;
    pub(super) const STOP: u8 = 4;
    pub(super) const START_PICTURES: u8 = 5;
    pub(super) const WANT: u8 = 6;
    pub(super) const DECODE: u8 = 7;
    pub(super) const START_CAPTURE: u8 = 8;
    pub(super) const SET_CONTROLS: u8 = 9;
    pub(super) const START_SLATE: u8 = 10;
}

impl Message for ToWorker {
    fn write(&self, body: &mut Writer) -> u8 {
        match self {
            Self::Start(Job::TestPicture(job)) => {
                job.write(body);
                kind::START_TEST_PICTURE
            }
            Self::Start(Job::Slate(slate)) => {
                slate.write(body);
                kind::START_SLATE
            }
            Self::Start(Job::Pictures { name }) => {
                body.text(name);
                kind::START_PICTURES
            }
            Self::Start(Job::Capture(job)) => {
                job.write(body);
                kind::START_CAPTURE
            }
            Self::SetControls { order, values } => {
                body.u32(*order);
                write_values(body, values);
                kind::SET_CONTROLS
            }
            Self::Want(wants) => {
                write_wants(body, wants);
                kind::WANT
            }
            Self::Decode(coded) => {
                coded.write(body);
                kind::DECODE
            }
            Self::ForceKeyframe => kind::FORCE_KEYFRAME,
            Self::Stop => kind::STOP,
        }
    }

    fn read(mut body: Reader) -> Result<Self, Error> {
        let message = match body.kind() {
            kind::START_TEST_PICTURE => {
                Self::Start(Job::TestPicture(TestPicture::read(&mut body)?))
            }
            kind::START_PICTURES => Self::Start(Job::Pictures { name: body.text("name")? }),
            kind::START_CAPTURE => Self::Start(Job::Capture(Capture::read(&mut body)?)),
            kind::SET_CONTROLS => {
                Self::SetControls { order: body.u32()?, values: read_values(&mut body)? }
            }
            kind::WANT => Self::Want(read_wants(&mut body)?),
            kind::DECODE => Self::Decode(Coded::read(&mut body)?),
            kind::START_SLATE => Self::Start(Job::Slate(Slate::read(&mut body)?)),
            kind::FORCE_KEYFRAME => Self::ForceKeyframe,
            kind::STOP => Self::Stop,
            other => return Err(Error::Kind(other)),
        };
        body.end()?;
        Ok(message)
    }
}

impl Slate {
    fn write(&self, body: &mut Writer) {
        body.text(&self.title);
        body.text(&self.text);
        body.u16(self.width);
        body.u16(self.height);
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        Ok(Self {
            title: body.text("title")?,
            text: body.text("text")?,
            width: body.u16()?,
            height: body.u16()?,
        })
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
