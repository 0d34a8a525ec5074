//! Why a control cannot be set.

use super::Control;
use std::time::Duration;

/// What is wrong with a wish, or with the camera it is for. Texts are clauses about the control.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// Its kind of source has none.
    #[error("this camera has no controls")]
    None,
    /// No control has this name.
    #[error("there is no control named {name:?}")]
    Unknown {
        /// What was asked for, shortened.
        name: String,
        /// What was probably meant.
        similar: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// The value is not of the control's kind.
    #[error("{name} is {kind}, and cannot be {wish}")]
    Kind {
        /// The control.
        name: String,
        /// What it is.
        kind: &'static str,
        /// What was asked for, shortened.
        wish: String,
        /// What it may be.
        bounds: String,
    },
    /// The value is of the right kind, but not one of those possible.
    #[error("{name} cannot be {wish}; it may be {bounds}")]
    OutOfRange {
        /// The control.
        name: String,
        /// What was asked for, shortened.
        wish: String,
        /// What it may be.
        bounds: String,
        /// The nearest that is possible, if there is one.
        nearest: Option<String>,
    },
    /// It cannot be set, or not now.
    #[error("{name} cannot be changed now: {reason}")]
    NotChangeable {
        /// The control.
        name: String,
        /// Why.
        reason: String,
    },
    /// The device does not tell what it is by itself.
    #[error("the default of {name} is not known")]
    NoDefault {
        /// The control.
        name: String,
    },
    /// More than any camera has.
    #[error("{count} settings are too many")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Settings are asked for faster than the camera takes them.
    #[error("the camera has not yet taken what was set before")]
    Busy,
    /// The device does not take them.
    #[error("the camera does not take {refused}")]
    Refused {
        /// Each control with the device's words.
        refused: String,
    },
    /// The source does not say whether it took them.
    #[error("the camera has not answered within {} s; it may still do as asked", .0.as_secs())]
    NoAnswer(Duration),
}

impl ControlError {
    /// The word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::None => "no_controls",
            Self::Unknown { .. } => "control_not_found",
            Self::Kind { .. } => "control_wrong_kind",
            Self::OutOfRange { .. } => "control_out_of_range",
            Self::NotChangeable { .. } => "control_not_changeable",
            Self::NoDefault { .. } => "control_without_default",
            Self::TooMany { .. } => "too_many_controls",
            Self::Busy => "camera_busy",
            Self::Refused { .. } => "control_refused",
            Self::NoAnswer(_) => "camera_does_not_answer",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::None => {
                "cameras with `source: v4l2:…` or `rpicam:…` have; set others in their own pages"
                    .to_owned()
            }
            Self::Unknown { similar: Some(similar), .. } => format!("did you mean {similar}?"),
            Self::Unknown { known, .. } => format!("known here: {}", known.join(", ")),
            Self::Kind { bounds, .. } => format!("it may be {bounds}; null sets its default"),
            Self::OutOfRange { nearest: Some(nearest), .. } => format!("the nearest is {nearest}"),
            Self::OutOfRange { .. }
            | Self::NoDefault { .. }
            | Self::TooMany { .. }
            | Self::NotChangeable { .. } => {
                "GET /api/v1/cameras/NAME/controls lists all with their bounds".to_owned()
            }
            Self::Busy => "try again in a second".to_owned(),
            Self::Refused { .. } => {
                "what else was asked for is set; GET …/controls tells what is true".to_owned()
            }
            Self::NoAnswer(_) => "GET /api/v1/cameras/NAME tells how the camera is".to_owned(),
        }
    }

    /// No control has this name.
    pub(super) fn unknown(name: &str, controls: &[Control]) -> Self {
        let near = |known: &&str| {
            strsim::damerau_levenshtein(name, known) <= (known.len() / 3).clamp(1, 3)
        };
        let known = || controls.iter().map(|control| &*control.name);
        let similar =
            known().filter(near).min_by_key(|known| strsim::damerau_levenshtein(name, known));
        Self::Unknown {
            name: short(name),
            similar: similar.map(str::to_owned),
            known: known().map(str::to_owned).collect(),
        }
    }
}

/// What somebody sent, short enough to be shown.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
