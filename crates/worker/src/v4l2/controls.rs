//! What can be set on a camera while it runs: brightness, exposure, focus.

use super::{
    Device,
    abi::{
        CTRL_FLAG_DISABLED, CTRL_FLAG_GRABBED, CTRL_FLAG_INACTIVE, CTRL_FLAG_NEXT,
        CTRL_FLAG_READ_ONLY, CTRL_FLAG_WRITE_ONLY, Control as Value, GetControl, QueryControl,
        QueryMenu, SetControl, text,
    },
    ioctl,
};
use nix::errno::Errno;
use proto::ipc::{Control, ControlKind, MAX_CONTROLS, MAX_ITEMS};

const INTEGER: u32 = 1;
const BOOLEAN: u32 = 2;
const MENU: u32 = 3;
const INTEGER_MENU: u32 = 9;

/// All controls that have a number as their value, with that. Buttons, texts and sets of bits are
/// left out.
pub(crate) fn list(device: &Device) -> Vec<Control> {
    numbered(device).into_iter().map(|(_, control)| control).collect()
}

/// Each with the driver's number for it.
fn numbered(device: &Device) -> Vec<(u32, Control)> {
    let (mut all, mut last) = (Vec::new(), 0);
    while all.len() < MAX_CONTROLS {
        let mut query = QueryControl { id: last | CTRL_FLAG_NEXT, ..QueryControl::default() };
        // A driver that goes back would do so for ever.
        if ioctl::ask(device, &mut query).is_err() || query.id <= last {
            break;
        }
        last = query.id;
        // Of two with one name the first is the one that people mean.
        let control = control(device, &query)
            .filter(|c| !all.iter().any(|(_, known): &(u32, Control)| known.name == c.name));
        all.extend(control.map(|control| (query.id, control)));
    }
    all
}

fn control(device: &Device, query: &QueryControl) -> Option<Control> {
    let kind = match query.kind {
        INTEGER => ControlKind::Number,
        BOOLEAN => ControlKind::Switch,
        MENU | INTEGER_MENU => ControlKind::Choice,
        _ => return None,
    };
    if query.flags & (CTRL_FLAG_DISABLED | CTRL_FLAG_WRITE_ONLY) != 0 {
        return None;
    }
    let mut value = GetControl(Value { id: query.id, value: query.default });
    // One that cannot be read just now (a sensor that sleeps) shows its default.
    let _ = ioctl::ask(device, &mut value);
    Some(Control {
        name: name(&text(&query.name)),
        kind,
        min: query.minimum.into(),
        max: query.maximum.into(),
        step: query.step.max(1).into(),
        default: query.default.into(),
        value: value.0.value.into(),
        settable: query.flags & (CTRL_FLAG_READ_ONLY | CTRL_FLAG_GRABBED) == 0,
        active: query.flags & CTRL_FLAG_INACTIVE == 0,
        items: if kind == ControlKind::Choice { items(device, query) } else { Vec::new() },
    })
}

/// The choices of a menu, which may leave numbers out.
fn items(device: &Device, query: &QueryControl) -> Vec<(i64, String)> {
    let (first, last) =
        (query.minimum.max(0), query.maximum.min(query.minimum.max(0) + MAX_ITEMS as i32 - 1));
    let item = |index: i32| {
        let mut menu =
            QueryMenu { id: query.id, index: index.cast_unsigned(), ..QueryMenu::default() };
        ioctl::ask(device, &mut menu).ok()?;
        let name = menu.name;
        let words = match name.first_chunk::<8>() {
            Some(number) if query.kind == INTEGER_MENU => i64::from_ne_bytes(*number).to_string(),
            _ => text(&name),
        };
        Some((index.into(), words))
    };
    (first..=last).filter_map(item).collect()
}

/// Sets controls by their names. Those that the camera does not take are returned with the reason.
pub(crate) fn set(device: &Device, values: &[(String, i64)]) -> Vec<(String, String)> {
    let known = numbered(device);
    let refusal = |(wanted, value): &(String, i64)| {
        let set = match (known.iter().find(|(_, c)| c.name == *wanted), i32::try_from(*value)) {
            (Some((id, _)), Ok(value)) => {
                ioctl::ask(device, &mut SetControl(Value { id: *id, value }))
                    .map_err(|e| refused(value, e))
            }
            (None, _) => Err("this camera does not have it".to_owned()),
            (_, Err(_)) => Err(format!("{value} is out of all bounds")),
        };
        set.err().map(|words| (wanted.clone(), words))
    };
    values.iter().filter_map(refusal).collect()
}

fn refused(value: i32, error: Errno) -> String {
    match error {
        Errno::EBUSY => {
            "not while the camera runs, or while another control takes care of it".to_owned()
        }
        Errno::ERANGE | Errno::EINVAL => format!("the camera does not take {value}"),
        Errno::EACCES => "not while another control takes care of it".to_owned(),
        e => format!("the driver says: {}", e.desc().to_lowercase()),
    }
}

/// `Exposure, Auto` becomes `exposure_auto`.
fn name(label: &str) -> String {
    let words = label.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_typed() {
        let names =
            ["Brightness", "Exposure, Auto", "White Balance Temperature", " 3D (x) "].map(name);
        assert_eq!(names, ["brightness", "exposure_auto", "white_balance_temperature", "3d_x"]);
    }
}
