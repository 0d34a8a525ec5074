//! Between the people who set a camera's controls and the worker that has the camera.

use crate::controls::{Access, Control, Desk, Item, Kind, Offer, Order, Value};
use proto::ipc::{self, ControlKind, ToWorker};
use std::{future::pending, sync::Arc};

/// Orders given to the worker that it has not answered.
const MAX_PENDING: usize = 8;

/// The controls of one run.
pub(super) struct Clerk {
    /// `None` for workers without a camera.
    desk: Option<Desk>,
    /// From the moment on when the worker has told what there is.
    offer: Option<Offer>,
    /// As last told.
    controls: Vec<Control>,
    pending: Vec<(u32, Order)>,
    orders: u32,
}

impl Clerk {
    pub(super) fn new(desk: Option<Desk>) -> Self {
        Self { desk, offer: None, controls: Vec::new(), pending: Vec::new(), orders: 0 }
    }

    /// Lays out what the worker says of its camera.
    pub(super) fn lay_out(&mut self, controls: Vec<ipc::Control>) {
        let Some(desk) = &self.desk else { return };
        self.controls = controls.into_iter().map(translate).collect();
        match &self.offer {
            Some(offer) => offer.update(self.controls.clone()),
            None => self.offer = Some(desk.offer(self.controls.clone())),
        }
    }

    /// The next thing to tell the worker; pends while there is nothing. Cancel safe.
    pub(super) async fn next(&mut self) -> ToWorker {
        let Some(offer) = self.offer.as_mut().filter(|_| self.pending.len() < MAX_PENDING) else {
            return pending().await;
        };
        let order = offer.next().await;
        let values = order
            .settings
            .iter()
            .map(|setting| (setting.name.to_string(), number(setting.value)))
            .collect();
        self.orders = self.orders.wrapping_add(1);
        self.pending.push((self.orders, order));
        ToWorker::SetControls { order: self.orders, values }
    }

    /// The worker has done what it was told by this number, but for what is in `refused`.
    pub(super) fn done(&mut self, number: u32, refused: Vec<(String, String)>) {
        let Some(at) = self.pending.iter().position(|(known, _)| *known == number) else { return };
        let (_, order) = self.pending.swap_remove(at);
        let refused = refused.into_iter().map(|(name, words)| (Arc::from(name), words)).collect();
        order.done_with(self.controls.clone(), refused);
    }
}

/// As drivers count.
fn number(value: Value) -> i64 {
    match value {
        Value::Bool(value) => value.into(),
        Value::Int(value) | Value::Item(value) => value,
        Value::Float(value) => value.round() as i64,
    }
}

/// As people see it.
fn translate(control: ipc::Control) -> Control {
    let ipc::Control { name, kind, min, max, step, default, value, settable, active, items } =
        control;
    let of = |value: i64| {
        Some(match kind {
            ControlKind::Number => Value::Int(value),
            ControlKind::Switch => Value::Bool(value != 0),
            ControlKind::Choice => Value::Item(value),
        })
    };
    let (value, default) = (of(value), of(default));
    let access = match (settable, active) {
        (false, _) => Access::ReadOnly,
        (true, false) => Access::Inactive("another control takes care of it".into()),
        (true, true) => Access::Settable,
    };
    let kind = match kind {
        ControlKind::Number => Kind::Int { minimum: min, maximum: max, step },
        ControlKind::Switch => Kind::Bool,
        ControlKind::Choice => Kind::Menu(
            items.into_iter().map(|(value, name)| Item { value, name: name.into() }).collect(),
        ),
    };
    Control { name: name.into(), kind, value, default, access }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::Outcome;
    use serde_json::json;

    fn brightness(value: i64) -> ipc::Control {
        ipc::Control {
            name: "brightness".into(),
            kind: ControlKind::Number,
            min: 0,
            max: 255,
            step: 1,
            default: 128,
            value,
            settable: true,
            active: true,
            items: Vec::new(),
        }
    }

    fn wish(value: i64) -> crate::controls::Wishes {
        json!({ "brightness": value }).as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn what_people_set_reaches_the_worker_and_its_answer_them_and_again_after_a_replug() {
        let desk = Desk::default();
        desk.expect(true);
        let mut clerk = Clerk::new(Some(desk.clone()));
        clerk.lay_out(vec![brightness(128)]);
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.set(wish(40)).await }
        });
        let told = clerk.next().await;
        assert_eq!(
            told,
            ToWorker::SetControls { order: 1, values: vec![("brightness".into(), 40)] }
        );
        clerk.lay_out(vec![brightness(41)]);
        clerk.done(7, Vec::new());
        clerk.done(1, Vec::new());
        assert_eq!(asked.await.unwrap(), Ok(Outcome::Done));
        assert_eq!(
            desk.list().unwrap().0[0].value,
            Some(Value::Int(41)),
            "what the camera made of it"
        );

        drop(clerk);
        let mut clerk = Clerk::new(Some(desk.clone()));
        clerk.lay_out(vec![brightness(128)]);
        let told = clerk.next().await;
        assert_eq!(
            told,
            ToWorker::SetControls { order: 1, values: vec![("brightness".into(), 40)] }
        );
        clerk.done(1, vec![("brightness".into(), "the camera does not take 40".into())]);
    }

    #[test]
    fn kinds_and_what_can_be_set_are_told_as_people_understand_them() {
        let choice = ipc::Control {
            kind: ControlKind::Choice,
            items: vec![(3, "Aperture".into())],
            active: false,
            ..brightness(3)
        };
        let told = translate(choice);
        assert_eq!(told.value, Some(Value::Item(3)));
        assert!(
            matches!(told.access, Access::Inactive(_))
                && matches!(told.kind, Kind::Menu(items) if items.len() == 1)
        );
        let switch =
            translate(ipc::Control { kind: ControlKind::Switch, settable: false, ..brightness(1) });
        assert_eq!((switch.value, switch.access), (Some(Value::Bool(true)), Access::ReadOnly));
    }
}
