//! What a camera offers, and what of it is best for what was asked.

use super::abi::{self, FourCc, Fraction};
use proto::ipc::PictureFormat;
use std::{cmp::Ordering, fmt};

/// What becomes of the camera's pictures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Format {
    /// H.264 by the camera: handed on.
    H264,
    /// Samples: encoded.
    Raw(Raw),
    /// JPEG files: decoded and encoded, or handed on where that is asked for.
    Jpeg,
}

/// Where which sample is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Raw {
    /// Planes Y, U, V of half the size.
    Yu12,
    /// A plane of Y, one of U and V in turn.
    Nv12,
    /// Y U Y V.
    Yuyv,
    /// U Y V Y.
    Uyvy,
    /// Y alone.
    Grey,
}

impl Format {
    /// `None` for what is not understood.
    pub(super) fn of(code: FourCc) -> Option<Self> {
        Some(match code {
            abi::H264 => Self::H264,
            abi::MJPG | abi::JPEG => Self::Jpeg,
            abi::YU12 => Self::Raw(Raw::Yu12),
            abi::NV12 => Self::Raw(Raw::Nv12),
            abi::YUYV => Self::Raw(Raw::Yuyv),
            abi::UYVY => Self::Raw(Raw::Uyvy),
            abi::GREY => Self::Raw(Raw::Grey),
            _ => return None,
        })
    }

    /// True if this is what was asked for, or can become it.
    fn serves(self, asked: PictureFormat) -> bool {
        match asked {
            PictureFormat::Any | PictureFormat::H264 => true,
            PictureFormat::Mjpeg => self == Self::Jpeg,
            PictureFormat::Yuyv => self == Self::Raw(Raw::Yuyv),
            PictureFormat::Uyvy => self == Self::Raw(Raw::Uyvy),
            PictureFormat::Nv12 => self == Self::Raw(Raw::Nv12),
            PictureFormat::Yu12 => self == Self::Raw(Raw::Yu12),
            PictureFormat::Grey => self == Self::Raw(Raw::Grey),
        }
    }
}

/// From one picture to the next, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    /// Seconds.
    pub numerator: u32,
    /// Parts of them.
    pub denominator: u32,
}

impl From<Fraction> for Interval {
    fn from(Fraction { numerator, denominator }: Fraction) -> Self {
        Self { numerator, denominator }
    }
}

impl Interval {
    /// Of a whole number of pictures a second.
    pub fn of_fps(fps: u32) -> Self {
        Self { numerator: 1, denominator: fps.max(1) }
    }

    /// Pictures a second; 0 if unknown.
    pub fn fps(self) -> f64 {
        if self.numerator == 0 {
            0.0
        } else {
            f64::from(self.denominator) / f64::from(self.numerator)
        }
    }
}

/// The rates at which pictures of one size come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Intervals {
    /// These; none if the driver does not tell.
    These(Vec<Interval>),
    /// All between.
    Range {
        /// Most pictures a second.
        shortest: Interval,
        /// Fewest.
        longest: Interval,
    },
}

impl Intervals {
    /// Most pictures a second; 0 if unknown.
    pub fn fastest(&self) -> f64 {
        match self {
            Self::These(all) => all.iter().map(|i| i.fps()).fold(0.0, f64::max),
            Self::Range { shortest, .. } => shortest.fps(),
        }
    }

    /// What comes nearest; a little more than was asked is better than a little less.
    fn best(&self, fps: u32) -> Option<Interval> {
        let wanted = f64::from(fps);
        match self {
            Self::These(all) => {
                let off = |i: &Interval| {
                    if i.fps() < wanted - 0.1 {
                        1000.0 + wanted - i.fps()
                    } else {
                        i.fps() - wanted
                    }
                };
                all.iter().copied().min_by(|a, b| order(off(a), off(b)))
            }
            Self::Range { shortest, .. } if shortest.fps() < wanted => Some(*shortest),
            Self::Range { longest, .. } if longest.fps() > wanted => Some(*longest),
            Self::Range { .. } => Some(Interval::of_fps(fps)),
        }
    }
}

fn order(a: f64, b: f64) -> Ordering {
    a.total_cmp(&b)
}

/// The sizes of a format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// One.
    One {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Rates at this size.
        intervals: Intervals,
    },
    /// All between, in steps.
    Range {
        /// Columns and rows.
        least: (u32, u32),
        /// Columns and rows.
        most: (u32, u32),
        /// Columns and rows.
        step: (u32, u32),
        /// Rates at the largest.
        intervals: Intervals,
    },
    /// The driver does not tell.
    Unknown,
}

impl Sizes {
    fn best(&self, asked: (u32, u32)) -> (u32, u32) {
        let between = |n: u32, least: u32, most: u32, step: u32| {
            let n = n.clamp(least, most.max(least));
            n - (n - least) % step.max(1)
        };
        match self {
            Self::One { width, height, .. } => (*width, *height),
            Self::Range { least, most, step, .. } => (
                between(asked.0, least.0, most.0, step.0),
                between(asked.1, least.1, most.1, step.1),
            ),
            Self::Unknown => asked,
        }
    }

    fn intervals(&self) -> Option<&Intervals> {
        match self {
            Self::One { intervals, .. } | Self::Range { intervals, .. } => Some(intervals),
            Self::Unknown => None,
        }
    }
}

/// A format with its sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mode {
    /// As the driver calls it.
    pub code: FourCc,
    /// What becomes of it.
    pub format: Format,
    /// What sizes it has.
    pub sizes: Sizes,
}

impl Mode {
    /// The largest size and the most pictures a second at it.
    pub fn largest(&self) -> Option<((u32, u32), f64)> {
        match &self.sizes {
            Sizes::One { width, height, intervals } => {
                Some(((*width, *height), intervals.fastest()))
            }
            Sizes::Range { most, intervals, .. } => Some((*most, intervals.fastest())),
            Sizes::Unknown => None,
        }
    }
}

/// What is asked of a camera.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// What is to come of them.
    pub format: PictureFormat,
}

/// What the driver is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// As the driver calls it.
    pub code: FourCc,
    /// What becomes of it.
    pub format: Format,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Between pictures.
    pub interval: Interval,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}x{} at {} fps",
            self.code,
            self.width,
            self.height,
            (self.interval.fps() * 100.0).round() / 100.0
        )
    }
}

/// The best of what a camera offers: first the size that comes nearest, then enough pictures a
/// second, then what costs least.
///
/// A webcam gives large raw pictures a few times a second and the same as JPEG thirty times: then
/// JPEG is better.
pub fn choose(modes: &[Mode], asked: &Asked) -> Option<Choice> {
    let serving = modes.iter().filter(|m| m.format.serves(asked.format));
    let choices = serving.map(|mode| {
        let (width, height) = mode.sizes.best((asked.width, asked.height));
        let interval = mode
            .sizes
            .intervals()
            .and_then(|i| i.best(asked.fps))
            .unwrap_or(Interval::of_fps(asked.fps));
        Choice { code: mode.code, format: mode.format, width, height, interval }
    });
    choices.min_by(|a, b| {
        let size = |c: &Choice| {
            let area = |w: u32, h: u32| u64::from(w) * u64::from(h);
            area(c.width, c.height).abs_diff(area(asked.width, asked.height))
                + area(c.width.abs_diff(asked.width), c.height.abs_diff(asked.height))
        };
        let missing = |c: &Choice| (f64::from(asked.fps) - c.interval.fps()).max(0.0).round();
        let more = |c: &Choice| (c.interval.fps() - f64::from(asked.fps)).max(0.0).round();
        size(a)
            .cmp(&size(b))
            .then(order(missing(a), missing(b)))
            .then(order(more(a), more(b)))
            .then(a.format.cmp(&b.format))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(code: FourCc, width: u32, height: u32, fps: &[u32]) -> Mode {
        let intervals = Intervals::These(fps.iter().map(|f| Interval::of_fps(*f)).collect());
        Mode {
            code,
            format: Format::of(code).unwrap(),
            sizes: Sizes::One { width, height, intervals },
        }
    }

    /// What an ordinary USB camera says.
    fn webcam() -> Vec<Mode> {
        vec![
            one(abi::MJPG, 1920, 1080, &[30, 15]),
            one(abi::MJPG, 1280, 720, &[60, 30, 15]),
            one(abi::MJPG, 640, 480, &[30]),
            one(abi::YUYV, 1280, 720, &[10, 5]),
            one(abi::YUYV, 640, 480, &[30, 15]),
        ]
    }

    fn chosen(modes: &[Mode], width: u32, height: u32, fps: u32, format: PictureFormat) -> String {
        choose(modes, &Asked { width, height, fps, format })
            .map_or("none".into(), |c| c.to_string())
    }

    #[test]
    fn size_comes_first_then_the_rate_then_the_cost() {
        let any = PictureFormat::Any;
        assert_eq!(
            chosen(&webcam(), 1280, 720, 30, any),
            "MJPG 1280x720 at 30 fps",
            "raw is too slow at this size"
        );
        assert_eq!(
            chosen(&webcam(), 1280, 720, 10, any),
            "YUYV 1280x720 at 10 fps",
            "raw need not be decoded"
        );
        assert_eq!(chosen(&webcam(), 640, 480, 30, any), "YUYV 640x480 at 30 fps");
        assert_eq!(
            chosen(&webcam(), 640, 480, 20, any),
            "YUYV 640x480 at 30 fps",
            "more rather than less"
        );
        assert_eq!(
            chosen(&webcam(), 3840, 2160, 60, any),
            "MJPG 1920x1080 at 30 fps",
            "what comes nearest"
        );
        assert_eq!(chosen(&webcam(), 640, 360, 30, any), "YUYV 640x480 at 30 fps");
    }

    #[test]
    fn h264_of_the_camera_is_best_and_a_format_that_is_asked_for_is_obeyed() {
        let mut modes = webcam();
        modes.push(one(abi::H264, 1280, 720, &[30]));
        assert_eq!(chosen(&modes, 1280, 720, 30, PictureFormat::Any), "H264 1280x720 at 30 fps");
        assert_eq!(chosen(&modes, 1280, 720, 30, PictureFormat::Mjpeg), "MJPG 1280x720 at 30 fps");
        assert_eq!(chosen(&modes, 1280, 720, 30, PictureFormat::Yuyv), "YUYV 1280x720 at 10 fps");
        assert_eq!(chosen(&modes, 1280, 720, 30, PictureFormat::Grey), "none");
        assert_eq!(
            chosen(&modes, 640, 480, 30, PictureFormat::H264),
            "YUYV 640x480 at 30 fps",
            "H.264 may be made here"
        );
    }

    #[test]
    fn ranges_are_met_within_their_steps() {
        let intervals =
            Intervals::Range { shortest: Interval::of_fps(60), longest: Interval::of_fps(1) };
        let sizes = Sizes::Range { least: (32, 32), most: (2592, 1944), step: (32, 2), intervals };
        let modes = [Mode { code: abi::YU12, format: Format::Raw(Raw::Yu12), sizes }];
        assert_eq!(chosen(&modes, 1280, 720, 25, PictureFormat::Any), "YU12 1280x720 at 25 fps");
        assert_eq!(chosen(&modes, 1300, 721, 90, PictureFormat::Any), "YU12 1280x720 at 60 fps");
        assert_eq!(chosen(&modes, 9999, 9999, 30, PictureFormat::Any), "YU12 2592x1944 at 30 fps");
    }

    #[test]
    fn a_driver_that_tells_nothing_is_asked_for_what_is_wanted() {
        let modes =
            [Mode { code: abi::YUYV, format: Format::Raw(Raw::Yuyv), sizes: Sizes::Unknown }];
        assert_eq!(chosen(&modes, 720, 576, 25, PictureFormat::Any), "YUYV 720x576 at 25 fps");
        assert_eq!(chosen(&[], 720, 576, 25, PictureFormat::Any), "none");
        let zero = Intervals::These(vec![Interval { numerator: 0, denominator: 0 }]);
        let modes = [Mode {
            code: abi::YUYV,
            format: Format::Raw(Raw::Yuyv),
            sizes: Sizes::One { width: 0, height: 0, intervals: zero },
        }];
        assert_eq!(
            chosen(&modes, 720, 576, 25, PictureFormat::Any),
            "YUYV 0x0 at 0 fps",
            "nonsense of a driver is no panic"
        );
    }
}
