//! What is asked of a camera of this machine, and what the camera says.

use super::{Error, Reader, Writer};

/// Most controls of a camera that are told of.
pub const MAX_CONTROLS: usize = 128;
/// Most choices of a control that are told of.
pub const MAX_ITEMS: usize = 64;

/// How a camera of this machine is to be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capture {
    /// The camera's name.
    pub name: String,
    /// Path of its device.
    pub device: String,
    /// Luma columns wished for.
    pub width: u16,
    /// Luma rows wished for.
    pub height: u16,
    /// Pictures a second wished for.
    pub fps: u16,
    /// What is to come of the pictures.
    pub format: PictureFormat,
    /// Frames from one keyframe to the next; 0 for as many as come in a second.
    pub gop: u16,
    /// Bits a second; 0 for what suits the size.
    pub bitrate: u32,
    /// What encodes.
    pub encoder: EncoderChoice,
}

/// What makes H.264 of pictures that are none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EncoderChoice {
    /// Hardware that takes the pictures, else the processors; these also when the hardware fails.
    #[default]
    Auto,
    /// Hardware or nothing.
    Hardware,
    /// The processors.
    Software,
}

impl EncoderChoice {
    /// All.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Hardware, Self::Software];

    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hardware => "hardware",
            Self::Software => "software",
        }
    }
}

/// Which of its formats a camera is to use, and what is to come of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PictureFormat {
    /// H.264, from whatever of the camera's formats is best for that.
    #[default]
    Any,
    /// The same, by name.
    H264,
    /// The camera's JPEG files, as they are.
    Mjpeg,
    /// H.264 made from YUYV.
    Yuyv,
    /// H.264 made from UYVY.
    Uyvy,
    /// H.264 made from NV12.
    Nv12,
    /// H.264 made from YU12.
    Yu12,
    /// H.264 made from pictures without colours.
    Grey,
}

impl PictureFormat {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Any,
        Self::H264,
        Self::Mjpeg,
        Self::Yuyv,
        Self::Uyvy,
        Self::Nv12,
        Self::Yu12,
        Self::Grey,
    ];

    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::H264 => "h264",
            Self::Mjpeg => "mjpeg",
            Self::Yuyv => "yuyv",
            Self::Uyvy => "uyvy",
            Self::Nv12 => "nv12",
            Self::Yu12 => "yu12",
            Self::Grey => "grey",
        }
    }
}

/// Something that can be set on a camera while it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// `white_balance_automatic`.
    pub name: String,
    /// What its values are.
    pub kind: ControlKind,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// From one value to the next.
    pub step: i64,
    /// Value of a camera that nobody has touched.
    pub default: i64,
    /// Value now.
    pub value: i64,
    /// It can be set at all.
    pub settable: bool,
    /// It has an effect now; the exposure time has none while the camera chooses it by itself.
    pub active: bool,
    /// Of a choice, the values and what they mean; at most [`MAX_ITEMS`].
    pub items: Vec<(i64, String)>,
}

/// What the values of a control are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlKind {
    /// Numbers.
    Number,
    /// 0 and 1.
    Switch,
    /// One of its items.
    Choice,
}

/// Why a camera gives no pictures, for the supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It is not there.
    Missing,
    /// It is there, but cannot be used as asked.
    Refused,
    /// It was there and is gone.
    Gone,
}

impl Loss {
    pub(super) fn read(body: &mut Reader) -> Result<Self, Error> {
        match body.u8()? {
            0 => Ok(Self::Missing),
            1 => Ok(Self::Refused),
            2 => Ok(Self::Gone),
            _ => body.bad("loss"),
        }
    }
}

/// Values by name.
pub(super) fn write_values(body: &mut Writer, values: &[(String, i64)]) {
    let values = &values[..values.len().min(MAX_CONTROLS)];
    body.u8(values.len() as u8);
    for (name, value) in values {
        body.text(name);
        body.i64(*value);
    }
}

pub(super) fn read_values(body: &mut Reader) -> Result<Vec<(String, i64)>, Error> {
    let count = usize::from(body.u8()?);
    if count > MAX_CONTROLS {
        return body.bad("number of values");
    }
    (0..count).map(|_| Ok((body.text("name of a control")?, body.i64()?))).collect()
}

/// What was not set and why, by name.
pub(super) fn write_refused(body: &mut Writer, refused: &[(String, String)]) {
    let refused = &refused[..refused.len().min(MAX_CONTROLS)];
    body.u8(refused.len() as u8);
    for (name, words) in refused {
        body.text(name);
        body.text(words);
    }
}

pub(super) fn read_refused(body: &mut Reader) -> Result<Vec<(String, String)>, Error> {
    let count = usize::from(body.u8()?);
    if count > MAX_CONTROLS {
        return body.bad("number of refusals");
    }
    (0..count).map(|_| Ok((body.text("name of a control")?, body.text("error text")?))).collect()
}

impl Capture {
    pub(super) fn write(&self, body: &mut Writer) {
        body.text(&self.name);
        body.text(&self.device);
        for v in [self.width, self.height, self.fps, self.gop] {
            body.u16(v);
        }
        body.u8(self.format as u8);
        body.u32(self.bitrate);
        body.u8(self.encoder as u8);
    }

    pub(super) fn read(body: &mut Reader) -> Result<Self, Error> {
        let (name, device) = (body.text("name")?, body.text("device")?);
        let [width, height, fps, gop] = [body.u16()?, body.u16()?, body.u16()?, body.u16()?];
        let Some(format) = PictureFormat::ALL.get(usize::from(body.u8()?)).copied() else {
            return body.bad("format");
        };
        let bitrate = body.u32()?;
        let Some(encoder) = EncoderChoice::ALL.get(usize::from(body.u8()?)).copied() else {
            return body.bad("encoder");
        };
        Ok(Self { name, device, width, height, fps, format, gop, bitrate, encoder })
    }
}

pub(super) fn write_controls(body: &mut Writer, controls: &[Control]) {
    let controls = &controls[..controls.len().min(MAX_CONTROLS)];
    body.u8(controls.len() as u8);
    controls.iter().for_each(|control| control.write(body));
}

pub(super) fn read_controls(body: &mut Reader) -> Result<Vec<Control>, Error> {
    let count = usize::from(body.u8()?);
    if count > MAX_CONTROLS {
        return body.bad("number of controls");
    }
    (0..count).map(|_| Control::read(body)).collect()
}

impl Control {
    fn write(&self, body: &mut Writer) {
        body.text(&self.name);
        body.u8(self.kind as u8);
        for v in [self.min, self.max, self.step, self.default, self.value] {
            body.i64(v);
        }
        body.flag(self.settable);
        body.flag(self.active);
        let items = &self.items[..self.items.len().min(MAX_ITEMS)];
        body.u8(items.len() as u8);
        for (value, words) in items {
            body.i64(*value);
            body.text(words);
        }
    }

    fn read(body: &mut Reader) -> Result<Self, Error> {
        let name = body.text("name of a control")?;
        let kind = match body.u8()? {
            0 => ControlKind::Number,
            1 => ControlKind::Switch,
            2 => ControlKind::Choice,
            _ => return body.bad("kind of a control"),
        };
        let [min, max, step, default, value] =
            [body.i64()?, body.i64()?, body.i64()?, body.i64()?, body.i64()?];
        let (settable, active) = (body.flag("settable flag")?, body.flag("active flag")?);
        let count = usize::from(body.u8()?);
        if count > MAX_ITEMS {
            return body.bad("number of items");
        }
        let items = (0..count)
            .map(|_| Ok((body.i64()?, body.text("item of a control")?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self { name, kind, min, max, step, default, value, settable, active, items })
    }
}
