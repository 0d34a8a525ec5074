//! One camera of each kind.

use super::{
    CommandCamera, FileCamera, FlaskCamera, MadeCamera, Patient, PiCamera, PulledCamera,
    PushedCamera, SentCamera, WhipPatient,
};
use crate::{Server, ServerOptions, skip_without};
use anyhow::Result;

/// Cameras of all kinds, and what their server needs.
pub struct Everyone {
    /// The cameras, named after their kinds.
    pub patients: Vec<Box<dyn Patient>>,
    environment: Vec<(String, String)>,
}

impl Everyone {
    /// `None`, said loudly, on a machine without what they need.
    ///
    /// # Errors
    /// If one does not come up.
    pub fn start() -> Result<Option<Self>> {
        if skip_without(&["ffmpeg", "python3"]) {
            return Ok(None);
        }
        let (Some(pulled), Some(whip)) = (PulledCamera::start("pulled")?, WhipPatient::new("whip"))
        else {
            return Ok(None);
        };
        let pi = PiCamera::start()?;
        let environment = vec![pi.environment()];
        let patients: Vec<Box<dyn Patient>> = vec![
            Box::new(pulled),
            Box::new(PushedCamera::new("pushed")),
            Box::new(SentCamera::start("sent")?),
            Box::new(FlaskCamera::start("web")?),
            Box::new(CommandCamera::start("command")?),
            Box::new(MadeCamera),
            Box::new(FileCamera::start("file")?),
            Box::new(whip),
            Box::new(pi),
        ];
        Ok(Some(Self { patients, environment }))
    }

    /// A server for them, and for the cameras in `more`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn server(&self, more: &str) -> Result<Server> {
        let line = |p: &dyn Patient| {
            format!("{}: {{ source: '{}', stall_after: 2s }}\n", p.name(), p.source())
        };
        let cameras =
            self.patients.iter().map(|patient| line(patient.as_ref())).collect::<String>() + more;
        Server::start(ServerOptions {
            cameras,
            environment: self.environment.clone(),
            ..ServerOptions::default()
        })
    }
}
