//! The controls of a Raspberry Pi's camera: our names for those of libcamera and of rpicam-vid, and
//! what they are set to.

use crate::controls::{Access, Control, Item, Kind, Setting, Value};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// What libcamera takes for a control.
#[derive(Clone, Copy)]
enum Takes {
    Bool,
    Int,
    Float,
    /// One of a pair of numbers that are set together.
    OfPair(usize),
    Menu(MenuItems),
}

/// The items of a menu: the number of libcamera, our word, and the word of rpicam-vid.
type MenuItems = &'static [(i64, &'static str, &'static str)];

/// A control as libcamera and rpicam-vid know it.
struct Known {
    name: &'static str,
    libcamera: &'static str,
    takes: Takes,
    /// The option of rpicam-vid; empty if it has none.
    flag: &'static str,
    /// Bounds and default where only rpicam-vid is there, which does not tell them.
    usual: (f64, f64, f64),
}

const EXPOSURE: MenuItems =
    &[(0, "normal", "normal"), (1, "short", "sport"), (2, "long", "long"), (3, "custom", "custom")];
const METERING: MenuItems = &[
    (0, "centre", "centre"),
    (1, "spot", "spot"),
    (2, "matrix", "average"),
    (3, "custom", "custom"),
];
const AWB: MenuItems = &[
    (0, "auto", "auto"),
    (1, "incandescent", "incandescent"),
    (2, "tungsten", "tungsten"),
    (3, "fluorescent", "fluorescent"),
    (4, "indoor", "indoor"),
    (5, "daylight", "daylight"),
    (6, "cloudy", "cloudy"),
    (7, "custom", "custom"),
];
const NOISE: MenuItems = &[
    (0, "off", "cdn_off"),
    (1, "fast", "cdn_fast"),
    (2, "high_quality", "cdn_hq"),
    (3, "minimal", "off"),
];
const FOCUS: MenuItems =
    &[(0, "manual", "manual"), (1, "auto", "auto"), (2, "continuous", "continuous")];
const FOCUS_RANGE: MenuItems =
    &[(0, "normal", "normal"), (1, "macro", "macro"), (2, "full", "full")];
const FOCUS_SPEED: MenuItems = &[(0, "normal", "normal"), (1, "fast", "fast")];

const fn known(
    name: &'static str,
    libcamera: &'static str,
    takes: Takes,
    flag: &'static str,
    usual: (f64, f64, f64),
) -> Known {
    Known { name, libcamera, takes, flag, usual }
}

/// In the order in which they are set: what makes others possible comes before them.
const ALL: [Known; 19] = [
    known("brightness", "Brightness", Takes::Float, "--brightness", (-1.0, 1.0, 0.0)),
    known("contrast", "Contrast", Takes::Float, "--contrast", (0.0, 32.0, 1.0)),
    known("saturation", "Saturation", Takes::Float, "--saturation", (0.0, 32.0, 1.0)),
    known("sharpness", "Sharpness", Takes::Float, "--sharpness", (0.0, 16.0, 1.0)),
    known("exposure_value", "ExposureValue", Takes::Float, "--ev", (-8.0, 8.0, 0.0)),
    known("exposure_mode", "AeExposureMode", Takes::Menu(EXPOSURE), "--exposure", (0.0, 1.0, 0.0)),
    known("metering", "AeMeteringMode", Takes::Menu(METERING), "--metering", (0.0, 2.0, 0.0)),
    known("auto_exposure", "AeEnable", Takes::Bool, "", (0.0, 1.0, 1.0)),
    known("exposure_time", "ExposureTime", Takes::Int, "--shutter", (0.0, 10_000_000.0, 0.0)),
    known("gain", "AnalogueGain", Takes::Float, "--gain", (0.0, 64.0, 0.0)),
    known("auto_white_balance", "AwbEnable", Takes::Bool, "", (0.0, 1.0, 1.0)),
    known("awb_mode", "AwbMode", Takes::Menu(AWB), "--awb", (0.0, 7.0, 0.0)),
    known("red_gain", "ColourGains", Takes::OfPair(0), "", (0.0, 32.0, 1.0)),
    known("blue_gain", "ColourGains", Takes::OfPair(1), "", (0.0, 32.0, 1.0)),
    known(
        "noise_reduction",
        "NoiseReductionMode",
        Takes::Menu(NOISE),
        "--denoise",
        (0.0, 3.0, 1.0),
    ),
    known("focus_mode", "AfMode", Takes::Menu(FOCUS), "--autofocus-mode", (0.0, 2.0, 2.0)),
    known("focus_range", "AfRange", Takes::Menu(FOCUS_RANGE), "--autofocus-range", (0.0, 2.0, 0.0)),
    known("focus_speed", "AfSpeed", Takes::Menu(FOCUS_SPEED), "--autofocus-speed", (0.0, 1.0, 0.0)),
    known("lens_position", "LensPosition", Takes::Float, "--lens-position", (0.0, 32.0, 1.0)),
];

/// Our own: the encoder's.
const BITRATE: &str = "bitrate";
const BITRATES: (i64, i64) = (100_000, 25_000_000);

/// What a camera can be set to, and what it is set to.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Panel {
    controls: Vec<Control>,
}

/// Settings as the helper takes them.
#[derive(PartialEq, Debug)]
pub(super) struct Wanted {
    /// By the names of libcamera.
    pub(super) set: Map<String, Json>,
    /// Bits a second.
    pub(super) bitrate: Option<i64>,
}

impl Panel {
    /// Of a camera whose controls libcamera has told, each with its least, greatest and usual
    /// value.
    pub(super) fn of_libcamera(told: &Map<String, Json>, bitrate: u32) -> Self {
        let controls =
            ALL.iter().filter_map(|known| known.control(told.get(known.libcamera)?)).collect();
        Self { controls }.with_bitrate(bitrate)
    }

    /// Of a camera that rpicam-vid drives, which tells nothing of them.
    pub(super) fn of_rpicam_vid(bitrate: u32) -> Self {
        let usual = |known: &Known| json!([known.usual.0, known.usual.1, known.usual.2]);
        let controls = ALL
            .iter()
            .filter(|known| !known.flag.is_empty())
            .filter_map(|known| known.control(&usual(known)));
        Self { controls: controls.collect() }.with_bitrate(bitrate)
    }

    fn with_bitrate(mut self, bitrate: u32) -> Self {
        let value = Some(Value::Int(bitrate.into()));
        let kind = Kind::Int { minimum: BITRATES.0, maximum: BITRATES.1, step: 1 };
        self.controls.push(Control {
            name: BITRATE.into(),
            kind,
            value,
            default: value,
            access: Access::Settable,
        });
        self.settle();
        self
    }

    /// All controls as they are now.
    pub(super) fn controls(&self) -> Vec<Control> {
        self.controls.clone()
    }

    /// Notes what was set.
    pub(super) fn note(&mut self, settings: &[Setting]) {
        for setting in settings {
            if let Some(control) =
                self.controls.iter_mut().find(|control| control.name == setting.name)
            {
                control.value = Some(setting.value);
            }
        }
        self.settle();
    }

    /// Settings as libcamera takes them.
    pub(super) fn wanted(&self, settings: &[Setting]) -> Wanted {
        let mut after = self.clone();
        after.note(settings);
        let mut wanted = Wanted { set: Map::new(), bitrate: None };
        for setting in settings {
            if let (BITRATE, Value::Int(bits)) = (&*setting.name, setting.value) {
                wanted.bitrate = Some(bits);
            }
            if let Some(known) = ALL.iter().find(|known| *known.name == *setting.name) {
                wanted.set.insert(
                    known.libcamera.to_owned(),
                    after.libcamera_value(known, setting.value),
                );
            }
        }
        // Focusing once is an order, not a state.
        if wanted.set.get("AfMode") == Some(&json!(1)) {
            wanted.set.insert("AfTrigger".to_owned(), json!(0));
        }
        wanted
    }

    fn libcamera_value(&self, known: &Known, value: Value) -> Json {
        match (known.takes, value) {
            (Takes::OfPair(_), _) => {
                json!([self.number("red_gain", 1.0), self.number("blue_gain", 1.0)])
            }
            (_, Value::Bool(value)) => json!(value),
            (_, Value::Int(value) | Value::Item(value)) => json!(value),
            (_, Value::Float(value)) => json!(value),
        }
    }

    /// Options of rpicam-vid for what was set: what is as usual is left to it.
    pub(super) fn flags(&self) -> Vec<String> {
        let set = self.controls.iter().filter(|control| control.value != control.default);
        let flag = |control: &Control| {
            let known =
                ALL.iter().find(|known| *known.name == *control.name && !known.flag.is_empty())?;
            let word = match (known.takes, control.value?) {
                (Takes::Menu(words), Value::Item(item)) => {
                    words.iter().find(|(n, ..)| *n == item)?.2.to_owned()
                }
                (_, Value::Float(value)) => value.to_string(),
                (_, Value::Int(value)) => value.to_string(),
                _ => return None,
            };
            Some([known.flag.to_owned(), word])
        };
        set.filter_map(flag).flatten().collect()
    }

    /// Bits a second.
    pub(super) fn bitrate(&self) -> u32 {
        self.number(BITRATE, 0.0) as u32
    }

    /// Our names for what libcamera calls so.
    pub(super) fn names_of(libcamera: &str) -> impl Iterator<Item = &'static str> {
        let ours = (libcamera == BITRATE).then_some(BITRATE);
        ALL.iter()
            .filter(move |known| known.libcamera == libcamera)
            .map(|known| known.name)
            .chain(ours)
    }

    fn number(&self, name: &str, otherwise: f64) -> f64 {
        match self.value(name) {
            Some(Value::Float(value)) => value,
            Some(Value::Int(value)) => value as f64,
            _ => otherwise,
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        self.controls.iter().find(|control| *control.name == *name)?.value
    }

    /// What depends on others can be changed, or not, as these are.
    fn settle(&mut self) {
        let has = |name: &str| self.controls.iter().any(|control: &Control| *control.name == *name);
        let on = |name, has: bool| has && self.value(name) != Some(Value::Bool(false));
        let auto_exposure = on("auto_exposure", has("auto_exposure"));
        let auto_white = on("auto_white_balance", has("auto_white_balance"));
        let focuses = has("focus_mode") && self.value("focus_mode") != Some(Value::Item(0));
        for control in &mut self.controls {
            let blocked = match &*control.name {
                "exposure_time" | "gain" if auto_exposure => Some("auto_exposure is on"),
                "red_gain" | "blue_gain" if auto_white => Some("auto_white_balance is on"),
                "lens_position" if focuses => Some("focus_mode is not manual"),
                _ => None,
            };
            control.access =
                blocked.map_or(Access::Settable, |reason| Access::Inactive(reason.into()));
        }
    }
}

impl Known {
    /// As a camera tells of it; `None` if it makes no sense.
    fn control(&self, bounds: &Json) -> Option<Control> {
        let bound = |i: usize| match (self.takes, bounds.get(i)?) {
            (Takes::OfPair(n), Json::Array(pair)) => pair.get(n)?.as_f64(),
            (_, Json::Bool(value)) => Some(f64::from(u8::from(*value))),
            (_, other) => other.as_f64(),
        };
        let (least, most) = (bound(0)?, bound(1)?);
        if least > most {
            return None;
        }
        let (kind, of): (_, fn(f64) -> Value) = match self.takes {
            Takes::Bool => (Kind::Bool, |n| Value::Bool(n != 0.0)),
            Takes::Int => {
                (Kind::Int { minimum: least as i64, maximum: most as i64, step: 1 }, |n| {
                    Value::Int(n as i64)
                })
            }
            Takes::Float | Takes::OfPair(_) => {
                (Kind::Float { minimum: least, maximum: most }, Value::Float)
            }
            Takes::Menu(words) => {
                let items = words.iter().filter(|(n, ..)| (least..=most).contains(&(*n as f64)));
                let items = items
                    .map(|(value, name, _)| Item { value: *value, name: Arc::from(*name) })
                    .collect();
                (Kind::Menu(items), |n| Value::Item(n as i64))
            }
        };
        // libcamera does not always say it, but what is automatic is so by itself.
        let automatic = self.name.starts_with("auto_").then_some(1.0);
        let default = bound(2).filter(|usual| (least..=most).contains(usual)).or(automatic).map(of);
        Some(Control {
            name: self.name.into(),
            kind,
            value: default,
            default,
            access: Access::Settable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::check;

    /// As a camera module 3 tells.
    fn panel() -> Panel {
        let told = json!({
            "Brightness": [-1.0, 1.0, 0.0], "AeEnable": [false, true, null], "ExposureTime": [1, 66_666, 20_000],
            "AwbEnable": [false, true, true], "AwbMode": [0, 7, 0], "ColourGains": [0.0, 32.0, null], "AfMode": [0, 2, 0],
            "LensPosition": [0.0, 15.0, 1.0], "ScalerCrop": [[0, 0, 1, 1], [0, 0, 9, 9], null], "Contrast": [2.0, 1.0, null],
        });
        Panel::of_libcamera(told.as_object().unwrap(), 1_000_000)
    }

    fn settings(panel: &Panel, wishes: Json) -> Vec<Setting> {
        check(&panel.controls(), wishes.as_object().unwrap()).unwrap()
    }

    #[test]
    fn the_cameras_controls_get_our_names_and_its_bounds() {
        let names: Vec<_> =
            panel().controls.iter().map(|control| control.name.to_string()).collect();
        let expected = "brightness auto_exposure exposure_time auto_white_balance awb_mode red_gain blue_gain focus_mode \
                        lens_position bitrate";
        assert_eq!(names.join(" "), expected);
        assert_eq!(panel().value("exposure_time"), Some(Value::Int(20_000)));
        let Kind::Menu(modes) = &panel().controls[7].kind else { panic!() };
        assert_eq!(
            modes.iter().map(|item| &*item.name).collect::<Vec<_>>(),
            ["manual", "auto", "continuous"]
        );
    }

    #[test]
    fn settings_become_those_of_libcamera() {
        let mut panel = panel();
        let wishes = settings(
            &panel,
            json!({ "brightness": 0.5, "awb_mode": "indoor", "focus_mode": "auto", "bitrate": 500_000 }),
        );
        let wanted = panel.wanted(&wishes);
        assert_eq!(
            json!(wanted.set),
            json!({ "Brightness": 0.5, "AwbMode": 4, "AfMode": 1, "AfTrigger": 0 })
        );
        assert_eq!(wanted.bitrate, Some(500_000));
        panel.note(&settings(&panel, json!({ "auto_white_balance": false, "red_gain": 2.5 })));
        let wanted = panel.wanted(&settings(&panel, json!({ "blue_gain": 1.5 })));
        assert_eq!(
            json!(wanted.set),
            json!({ "ColourGains": [2.5, 1.5] }),
            "both are set together"
        );
    }

    #[test]
    fn what_depends_on_others_says_so() {
        let mut panel = panel();
        let blocked = |panel: &Panel| -> Vec<String> {
            let inactive =
                panel.controls.iter().filter(|control| control.access != Access::Settable);
            inactive.map(|control| control.name.to_string()).collect()
        };
        assert_eq!(
            blocked(&panel),
            ["exposure_time", "red_gain", "blue_gain"],
            "the lens is manual by itself"
        );
        panel
            .note(&settings(&panel, json!({ "auto_exposure": false, "focus_mode": "continuous" })));
        assert_eq!(blocked(&panel), ["red_gain", "blue_gain", "lens_position"]);
    }

    #[test]
    fn rpicam_vid_gets_options_for_what_was_set() {
        let mut panel = Panel::of_rpicam_vid(1_000_000);
        assert_eq!(panel.flags(), [""; 0]);
        panel.note(&settings(
            &panel,
            json!({ "brightness": -0.25, "exposure_mode": "short", "exposure_time": 5000, "focus_mode": "manual", "bitrate": 2_000_000 }),
        ));
        let expected = "--brightness -0.25 --exposure sport --shutter 5000 --autofocus-mode manual";
        assert_eq!(panel.flags().join(" "), expected);
        assert_eq!(panel.bitrate(), 2_000_000);
    }
}
