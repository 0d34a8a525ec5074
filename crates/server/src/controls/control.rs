//! One control: its kind and bounds, its value, whether it can be set.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// A control of a camera, as its source knows it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Control {
    /// `brightness`, `exposure_time`: small letters, digits and underscores, unique within the
    /// camera.
    pub(crate) name: Arc<str>,
    /// What values it takes.
    pub(crate) kind: Kind,
    /// What it is set to; `None` if the device does not tell.
    pub(crate) value: Option<Value>,
    /// What it is without anybody's setting; `None` if the device does not tell.
    pub(crate) default: Option<Value>,
    /// Whether it can be set now.
    pub(crate) access: Access,
}

/// What values a control takes. Bounds are inclusive.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Yes or no.
    Bool,
    /// Whole numbers, `step` apart beginning with `minimum`. A step of 0 or less counts as 1.
    Int { minimum: i64, maximum: i64, step: i64 },
    /// Any number.
    Float { minimum: f64, maximum: f64 },
    /// One of these.
    Menu(Vec<Item>),
}

/// One item of a menu.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Item {
    /// The device's number for it.
    pub(crate) value: i64,
    /// What people see, and set.
    pub(crate) name: Arc<str>,
}

/// A value of a control.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Menu`]: the device's number of the item.
    Item(i64),
}

/// Whether a control can be set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Now.
    Settable,
    /// Not while other controls are as they are, for this reason: `auto_exposure is on`. Tried
    /// nevertheless together with others.
    Inactive(Arc<str>),
    /// Never.
    #[allow(dead_code, reason = "no source so far has such")]
    ReadOnly,
}

impl Control {
    /// A value as people read and write it: items of menus by their names.
    pub(super) fn json(&self, value: Value) -> Json {
        match value {
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!(value),
            Value::Float(value) => json!(value),
            Value::Item(value) => match &self.kind {
                Kind::Menu(items) => {
                    items.iter().find(|i| i.value == value).map_or(json!(value), |i| json!(i.name))
                }
                _ => json!(value),
            },
        }
    }

    /// The bounds in words.
    pub(super) fn bounds(&self) -> String {
        match &self.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Int { minimum, maximum, step } if *step > 1 => {
                format!("{minimum} to {maximum} in steps of {step}")
            }
            Kind::Int { minimum, maximum, .. } => format!("{minimum} to {maximum}"),
            Kind::Float { minimum, maximum } => format!("{minimum} to {maximum}"),
            Kind::Menu(items) => {
                items.iter().map(|item| &*item.name).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// As the API shows it.
impl Serialize for Control {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Control", 10)?;
        out.serialize_field("name", &self.name)?;
        let (kind, minimum, maximum, step, items) = match &self.kind {
            Kind::Bool => ("bool", Json::Null, Json::Null, Json::Null, &[][..]),
            Kind::Int { minimum, maximum, step } => {
                ("int", json!(minimum), json!(maximum), json!((*step).max(1)), &[][..])
            }
            Kind::Float { minimum, maximum } => {
                ("float", json!(minimum), json!(maximum), Json::Null, &[][..])
            }
            Kind::Menu(items) => ("menu", Json::Null, Json::Null, Json::Null, items.as_slice()),
        };
        out.serialize_field("kind", kind)?;
        out.serialize_field("value", &self.value.map(|value| self.json(value)))?;
        out.serialize_field("default", &self.default.map(|value| self.json(value)))?;
        out.serialize_field("minimum", &minimum)?;
        out.serialize_field("maximum", &maximum)?;
        out.serialize_field("step", &step)?;
        out.serialize_field("items", items)?;
        let reason = match &self.access {
            Access::Settable => None,
            Access::Inactive(reason) => Some(&**reason),
            Access::ReadOnly => Some("it can only be read"),
        };
        out.serialize_field("changeable", &reason.is_none())?;
        out.serialize_field("reason", &reason)?;
        out.end()
    }
}
