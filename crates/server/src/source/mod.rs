//! Sources: cameras that the server reaches by itself.

pub(crate) mod worker;
