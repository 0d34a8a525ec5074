//! Where the source of a camera and those who set its controls meet.

use super::{Control, ControlError, Value, Wishes, check, check::check_unseen};
use serde_json::Value as Json;
use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, mpsc::error::TrySendError, oneshot},
    time::timeout,
};

/// Orders a source has not taken yet.
const MAILBOX: usize = 16;
/// A source that has not answered after this long hangs; the people who asked do not wait longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// One control, and what it is to be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Setting {
    /// The control.
    pub(crate) name: Arc<str>,
    /// What it is to be: of the control's kind and within its bounds.
    pub(crate) value: Value,
    /// The wish to keep; `None` if the default was asked for, which is no wish any more.
    pub(super) keep: Option<Json>,
}

/// What became of wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The camera has done as asked.
    Done,
    /// The camera is not there. What was asked is kept and set when it is back.
    Kept,
}

/// The controls of one camera. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The camera's kind of source has controls.
    expected: bool,
    /// As last told.
    controls: Vec<Control>,
    /// To the source that runs; `None` while none does.
    source: Option<mpsc::Sender<Order>>,
    /// Counts the sources that have run: only the newest may clear `source`.
    runs: u64,
    /// What people have set.
    wishes: Wishes,
}

impl Desk {
    /// Tells whether the camera's source is of a kind that has controls, and forgets what an
    /// earlier one offered.
    pub(crate) fn expect(&self, expected: bool) {
        let mut state = self.lock();
        (state.expected, state.controls, state.source) = (expected, Vec::new(), None);
    }

    /// What people have set before the server was started.
    pub(crate) fn remember(&self, wishes: Wishes) {
        self.lock().wishes = wishes;
    }

    /// All controls as last told by the source, and whether it is there now.
    ///
    /// # Errors
    /// [`ControlError::None`].
    pub(crate) fn list(&self) -> Result<(Vec<Control>, bool), ControlError> {
        let state = self.lock();
        match state.expected {
            true => Ok((state.controls.clone(), state.is_online())),
            false => Err(ControlError::None),
        }
    }

    /// What people have set, which is set again when a source begins to run.
    pub(crate) fn wishes(&self) -> Wishes {
        self.lock().wishes.clone()
    }

    /// Sets controls. Either all wishes are possible as far as can be told without the camera, or
    /// nothing is done.
    ///
    /// # Errors
    /// What is wrong with a wish, or what the camera says.
    pub(crate) async fn set(&self, wishes: Wishes) -> Result<Outcome, ControlError> {
        let answer = match self.begin(wishes)? {
            Some(answer) => answer,
            None => return Ok(Outcome::Kept),
        };
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(refused)) if refused.is_empty() => Ok(Outcome::Done),
            Ok(Ok(refused)) => {
                let refused: Vec<_> =
                    refused.iter().map(|(name, words)| format!("{name} ({words})")).collect();
                Err(ControlError::Refused { refused: refused.join(", ") })
            }
            // It has ended meanwhile; the next one is told all that is kept.
            Ok(Err(_)) => Ok(Outcome::Kept),
            Err(_) => Err(ControlError::NoAnswer(ANSWER_WITHIN)),
        }
    }

    /// Hands wishes to the source, or keeps them if there is none.
    fn begin(&self, wishes: Wishes) -> Result<Option<oneshot::Receiver<Refused>>, ControlError> {
        let mut state = self.lock();
        if !state.expected {
            return Err(ControlError::None);
        }
        if state.controls.is_empty() {
            check_unseen(&wishes)?;
            state.keep(
                wishes.into_iter().map(|(name, wish)| (name, (!wish.is_null()).then_some(wish))),
            );
            return Ok(None);
        }
        let settings = check(&state.controls, &wishes)?;
        let Some(source) = state.source.clone().filter(|source| !source.is_closed()) else {
            state
                .keep(settings.into_iter().map(|setting| (setting.name.to_string(), setting.keep)));
            return Ok(None);
        };
        let (done, answer) = oneshot::channel();
        drop(state);
        let order = Order { settings, desk: self.clone(), again: false, done: Some(done) };
        match source.try_send(order) {
            Ok(()) => Ok(Some(answer)),
            Err(TrySendError::Full(mut order)) => {
                // It is not for the next source either.
                order.done = None;
                Err(ControlError::Busy)
            }
            // The source has ended just now; the order keeps itself for the next one.
            Err(TrySendError::Closed(_)) => Ok(None),
        }
    }

    /// Lays out what a source has that begins to run, and takes orders for it until the offer is
    /// dropped. The first order is what people have set before, if that is anything.
    pub(crate) fn offer(&self, controls: Vec<Control>) -> Offer {
        let (source, orders) = mpsc::channel(MAILBOX);
        let mut state = self.lock();
        state.controls = controls;
        state.runs += 1;
        let settings = state.kept_settings();
        if !settings.is_empty() {
            // The mailbox is empty.
            let _ =
                source.try_send(Order { settings, desk: self.clone(), again: true, done: None });
        }
        state.source = Some(source);
        Offer { desk: self.clone(), run: state.runs, orders }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_online(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.is_closed())
    }

    /// `None` is no wish any more.
    fn keep(&mut self, wishes: impl IntoIterator<Item = (String, Option<Json>)>) {
        for (name, wish) in wishes {
            match wish {
                Some(wish) => drop(self.wishes.insert(name, wish)),
                None => drop(self.wishes.remove(&name)),
            }
        }
    }

    /// What is kept, as far as the present controls take it: it may have been set for another
    /// camera, or another version.
    fn kept_settings(&self) -> Vec<Setting> {
        let known = |name: &str| self.controls.iter().position(|control| *control.name == *name);
        let mut wishes: Vec<_> = self.wishes.iter().collect();
        wishes.sort_by_key(|(name, _)| known(name));
        let understood = wishes.into_iter().filter_map(|(name, wish)| {
            // Another of them may make it active: two wishes are never refused for that.
            let mut one = self.controls.get(known(name)?)?.clone();
            if matches!(one.access, super::Access::Inactive(_)) {
                one.access = super::Access::Settable;
            }
            let wishes = Wishes::from_iter([(name.clone(), wish.clone())]);
            let checked = check(&[one], &wishes);
            checked.inspect_err(|error| tracing::warn!(control = name, %error, "what was set before is left out")).ok()
        });
        understood.flatten().collect()
    }
}

/// Each control that the device does not take, with its words.
type Refused = Vec<(Arc<str>, String)>;

/// The controls of a source that runs. Dropping it says that the camera is not there any more.
pub(crate) struct Offer {
    desk: Desk,
    run: u64,
    orders: mpsc::Receiver<Order>,
}

impl Offer {
    /// The next thing to set; pends while there is nothing. Cancel safe.
    pub(crate) async fn next(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            None => pending().await,
        }
    }

    /// Tells what has changed by itself: values, what can be changed now, or the controls as a
    /// whole.
    pub(crate) fn update(&self, controls: Vec<Control>) {
        let mut state = self.desk.lock();
        if state.runs == self.run {
            state.controls = controls;
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        if state.runs == self.run {
            state.source = None;
        }
    }
}

/// Settings for a source to make. To be answered by one of the `done` methods; dropping it says
/// that the source has ended.
pub(crate) struct Order {
    /// What to set, in the order in which the controls were offered.
    pub(crate) settings: Vec<Setting>,
    desk: Desk,
    /// These were set before; nobody waits.
    again: bool,
    /// Taken when it is answered.
    done: Option<oneshot::Sender<Refused>>,
}

impl Order {
    /// All is set but what is in `refused`, with the device's words.
    pub(crate) fn done(mut self, refused: Refused) {
        self.settle(None, refused);
    }

    /// The same; `controls` is what is true now, for devices that tell.
    pub(crate) fn done_with(mut self, controls: Vec<Control>, refused: Refused) {
        self.settle(Some(controls), refused);
    }

    fn settle(&mut self, controls: Option<Vec<Control>>, refused: Refused) {
        let settings = std::mem::take(&mut self.settings);
        let accepted: Vec<_> = settings
            .into_iter()
            .filter(|s| !refused.iter().any(|(name, _)| *name == s.name))
            .collect();
        for (name, words) in refused.iter().filter(|_| self.again) {
            tracing::warn!(
                control = &**name,
                words,
                "the camera does not take what was set before"
            );
        }
        let mut state = self.desk.lock();
        match controls {
            Some(controls) => state.controls = controls,
            None => accepted.iter().for_each(|setting| state.assume(setting)),
        }
        state.keep(accepted.into_iter().map(|setting| (setting.name.to_string(), setting.keep)));
        drop(state);
        // Whoever asked may have gone.
        let _ = self.done.take().map(|done| done.send(refused));
    }
}

impl Drop for Order {
    /// The source has ended before it could do this: it is for the next one.
    fn drop(&mut self) {
        if self.done.take().is_some() {
            let settings = std::mem::take(&mut self.settings);
            let mut state = self.desk.lock();
            state
                .keep(settings.into_iter().map(|setting| (setting.name.to_string(), setting.keep)));
        }
    }
}

impl State {
    fn assume(&mut self, setting: &Setting) {
        if let Some(control) = self.controls.iter_mut().find(|control| control.name == setting.name)
        {
            control.value = Some(setting.value);
        }
    }
}
