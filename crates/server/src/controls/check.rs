//! The checks that need no device.

use super::{Access, Control, ControlError, Kind, Setting, Value, Wishes, error::short};
use serde_json::Value as Json;

/// More settings at once than any camera has.
const MOST: usize = 256;

/// Understands wishes by the controls they are for, in the order of the controls. `null` asks for
/// the default.
///
/// # Errors
/// The first wish that cannot be.
pub(crate) fn check(controls: &[Control], wishes: &Wishes) -> Result<Vec<Setting>, ControlError> {
    few(wishes)?;
    let stranger =
        wishes.keys().find(|name| !controls.iter().any(|control| *control.name == ***name));
    if let Some(name) = stranger {
        return Err(ControlError::unknown(name, controls));
    }
    let wished = controls.iter().filter_map(|control| Some((control, wishes.get(&*control.name)?)));
    wished.map(|(control, wish)| setting(control, wish, wishes.len() == 1)).collect()
}

/// Wishes for a camera whose controls nobody has seen yet: they are checked when it is there.
///
/// # Errors
/// Those that no camera has.
pub(super) fn check_unseen(wishes: &Wishes) -> Result<(), ControlError> {
    few(wishes)?;
    let possible = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if let Some(name) = wishes.keys().find(|name| !possible(name)) {
        return Err(ControlError::unknown(name, &[]));
    }
    let fits = |wish: &Json| match wish {
        Json::Null | Json::Bool(_) | Json::Number(_) => true,
        Json::String(text) => text.len() <= 64,
        Json::Array(_) | Json::Object(_) => false,
    };
    match wishes.iter().find(|(_, wish)| !fits(wish)) {
        None => Ok(()),
        Some((name, wish)) => Err(ControlError::Kind {
            name: name.clone(),
            kind: "a control",
            wish: short(&wish.to_string()),
            bounds: "true, false, a number, or an item of a menu".to_owned(),
        }),
    }
}

fn few(wishes: &Wishes) -> Result<(), ControlError> {
    let count = wishes.len();
    if count <= MOST { Ok(()) } else { Err(ControlError::TooMany { count }) }
}

fn setting(control: &Control, wish: &Json, alone: bool) -> Result<Setting, ControlError> {
    let name = || control.name.to_string();
    match &control.access {
        Access::ReadOnly => {
            return Err(ControlError::NotChangeable {
                name: name(),
                reason: "it can only be read".to_owned(),
            });
        }
        // Another of the wishes may make it active.
        Access::Inactive(reason) if alone => {
            return Err(ControlError::NotChangeable { name: name(), reason: reason.to_string() });
        }
        Access::Settable | Access::Inactive(_) => {}
    }
    let (value, keep) = match wish {
        Json::Null => {
            (control.default.ok_or_else(|| ControlError::NoDefault { name: name() })?, None)
        }
        wish => {
            let value = value(control, wish)?;
            (value, Some(control.json(value)))
        }
    };
    Ok(Setting { name: control.name.clone(), value, keep })
}

fn value(control: &Control, wish: &Json) -> Result<Value, ControlError> {
    let wrong = |kind| ControlError::Kind {
        name: control.name.to_string(),
        kind,
        wish: short(&wish.to_string()),
        bounds: control.bounds(),
    };
    match &control.kind {
        Kind::Bool => wish.as_bool().map(Value::Bool).ok_or_else(|| wrong("yes or no")),
        Kind::Int { minimum, maximum, step } => {
            let number = whole(wish).ok_or_else(|| wrong("a whole number"))?;
            let nearest = nearest(number, *minimum, *maximum, (*step).max(1));
            if nearest == number {
                Ok(Value::Int(number))
            } else {
                Err(out_of_range(control, wish, Some(nearest.to_string())))
            }
        }
        Kind::Float { minimum, maximum } => {
            let number = wish.as_f64().ok_or_else(|| wrong("a number"))?;
            match (*minimum..=*maximum).contains(&number) {
                true => Ok(Value::Float(number)),
                false => Err(out_of_range(control, wish, None)),
            }
        }
        Kind::Menu(items) => {
            let found = match (wish.as_str(), whole(wish)) {
                (Some(name), _) => items.iter().find(|item| item.name.eq_ignore_ascii_case(name)),
                (None, Some(value)) => items.iter().find(|item| item.value == value),
                (None, None) => return Err(wrong("an item of a menu")),
            };
            found
                .map(|item| Value::Item(item.value))
                .ok_or_else(|| out_of_range(control, wish, None))
        }
    }
}

fn out_of_range(control: &Control, wish: &Json, nearest: Option<String>) -> ControlError {
    let wish = wish.as_str().map_or_else(|| wish.to_string(), str::to_owned);
    ControlError::OutOfRange {
        name: control.name.to_string(),
        wish: short(&wish),
        bounds: control.bounds(),
        nearest,
    }
}

/// Programs write 3 as 3.0.
fn whole(wish: &Json) -> Option<i64> {
    let exact = |number: f64| number.fract() == 0.0 && number.abs() < 9e15;
    wish.as_i64().or_else(|| wish.as_f64().filter(|n| exact(*n)).map(|n| n as i64))
}

/// The nearest number that is `minimum` and some steps, and not above `maximum`.
fn nearest(number: i64, minimum: i64, maximum: i64, step: i64) -> i64 {
    let (number, low, high, step) = (
        i128::from(number),
        i128::from(minimum),
        i128::from(maximum.max(minimum)),
        i128::from(step),
    );
    let steps = (number.clamp(low, high) - low + step / 2) / step;
    let most = (high - low) / step;
    i64::try_from(low + steps.min(most) * step).unwrap_or(minimum)
}
