//! Posting offers and ending sessions on threads of their own, so that a slow answer makes no
//! viewer lose packets.

use super::http::Url;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, Sender, channel},
};

/// Requests under way at once.
const THREADS: usize = 4;

enum Job {
    Offer { viewer: u64, url: Url, offer: String },
    Delete(Url),
}

/// What came of an offer: the SDP answer and the session's address.
pub(super) type Answer = anyhow::Result<(String, Option<Url>)>;

/// The threads and what they have to say.
pub(super) struct Signalling {
    jobs: Option<Sender<Job>>,
    answers: Receiver<(u64, Answer)>,
    ready: Arc<EventFd>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Signalling {
    pub(super) fn new() -> anyhow::Result<Self> {
        let (jobs, queue) = channel();
        let (done, answers) = channel();
        let ready = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let queue = Arc::new(Mutex::new(queue));
        let start = |_| {
            let (queue, done, ready) = (queue.clone(), done.clone(), ready.clone());
            std::thread::spawn(move || work(&queue, &done, &ready))
        };
        let threads = (0..THREADS).map(start).collect();
        Ok(Self { jobs: Some(jobs), answers, ready, threads })
    }

    /// Readable when there are answers.
    pub(super) fn ready(&self) -> &EventFd {
        &self.ready
    }

    pub(super) fn offer(&self, viewer: u64, url: Url, offer: String) {
        self.push(Job::Offer { viewer, url, offer });
    }

    pub(super) fn delete(&self, session: Url) {
        self.push(Job::Delete(session));
    }

    /// All answers so far, with the viewers they are for.
    pub(super) fn answers(&self) -> Vec<(u64, Answer)> {
        let _ = self.ready.read();
        self.answers.try_iter().collect()
    }

    fn push(&self, job: Job) {
        // The threads live as long as the queue.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Drop for Signalling {
    /// Lets what is queued be done.
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn work(queue: &Mutex<Receiver<Job>>, done: &Sender<(u64, Answer)>, ready: &EventFd) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(Job::Offer { viewer, url, offer }) => {
                let _ = done.send((viewer, url.post_offer(&offer)));
                let _ = ready.write(1);
            }
            // A server that is gone needs no goodbye.
            Ok(Job::Delete(session)) => drop(session.delete()),
            Err(_) => return,
        }
    }
}
