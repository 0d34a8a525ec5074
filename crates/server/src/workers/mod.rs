//! Worker processes: how they are started, spoken to and ended. What they are for is the business
//! of whoever starts them.

mod line;
mod process;
mod stderr;

pub(crate) use line::{HungUp, Line};
#[cfg(test)]
pub(crate) use process::Program;
pub(crate) use process::{Process, Spawner};
pub(crate) use stderr::{Hears, Tail};
