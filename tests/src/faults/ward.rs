//! A thread for each patient, and one that watches them all.

use super::{Patient, wait_until_well};
use crate::Server;
use anyhow::Result;
use std::{sync::mpsc, thread};

/// Patients that are treated side by side. Dropping it lets their threads end, and all that they
/// started.
pub struct Ward<T> {
    names: Vec<String>,
    /// Dropping these begins the treatment.
    gates: Vec<mpsc::Sender<()>>,
    reports: mpsc::Receiver<Result<T>>,
    done: Vec<T>,
    _doors: Vec<mpsc::Sender<()>>,
}

impl<T> Ward<T> {
    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Lets the treatment begin.
    pub fn begin(&mut self) {
        self.gates.clear();
    }

    /// True once all have been treated.
    ///
    /// # Errors
    /// Whatever went wrong with one of them.
    pub fn is_done(&mut self) -> Result<bool> {
        for report in self.reports.try_iter() {
            self.done.push(report?);
        }
        Ok(self.done.len() == self.names.len())
    }

    /// What became of them.
    pub fn into_reports(self) -> Vec<T> {
        self.done
    }
}

/// Treats every patient on a thread of its own, once all are well, while `watch` looks on, which
/// decides when it begins and ends.
///
/// # Errors
/// If one does not become well at first.
pub fn treat_all<T: Send, S>(
    patients: Vec<Box<dyn Patient>>,
    server: &Server,
    treat: impl Fn(&mut dyn Patient) -> Result<T> + Sync,
    watch: impl FnOnce(Ward<T>) -> S,
) -> Result<S> {
    let treat = &treat;
    thread::scope(|scope| {
        let (report, reports) = mpsc::channel();
        let (well, all_well) = mpsc::channel();
        let mut ward = Ward {
            names: Vec::new(),
            gates: Vec::new(),
            reports,
            done: Vec::new(),
            _doors: Vec::new(),
        };
        for mut patient in patients {
            let (report, well) = (report.clone(), well.clone());
            let ((gate, opened), (door, left)) = (mpsc::channel::<()>(), mpsc::channel::<()>());
            ward.names.push(patient.name().to_owned());
            ward.gates.push(gate);
            ward._doors.push(door);
            scope.spawn(move || {
                let begun =
                    patient.begin(server).and_then(|()| wait_until_well(server, patient.name()));
                let is_well = begun.is_ok();
                let _ = well.send(begun);
                let _ = opened.recv();
                if is_well {
                    let _ = report.send(treat(&mut *patient));
                }
                // What it started lives as long as its thread.
                let _ = left.recv();
            });
        }
        drop((report, well));
        for _ in 0..ward.names.len() {
            all_well.recv()??;
        }
        Ok(watch(ward))
    })
}
