//! The cameras of this machine.

use super::{Device, Identity, Mode, Unusable};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel's devices are.
const DEVICES: &str = "/dev";
/// Where `udev` puts links that stay the same whichever port a camera is plugged into, and in which
/// order.
const BY_ID: &str = "/dev/v4l/by-id";

/// A camera that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// `/dev/video0`.
    pub path: PathBuf,
    /// The link to it that stays, where there is one.
    pub by_id: Option<PathBuf>,
    /// Who it is.
    pub identity: Identity,
    /// What it offers, of what is understood.
    pub modes: Vec<Mode>,
}

/// All cameras that can be opened, and those that cannot, with the reason. Nodes of cameras that
/// give no pictures are left out.
pub fn cameras() -> (Vec<Found>, Vec<(PathBuf, Unusable)>) {
    let (mut found, mut closed) = (Vec::new(), Vec::new());
    for path in nodes() {
        match Device::open(&path) {
            Ok(device) => {
                let (identity, modes) = (device.identity().clone(), device.modes());
                found.push(Found { by_id: link_to(&path), path, identity, modes });
            }
            Err(Unusable::NoCapture(_) | Unusable::NotV4l2(_)) => {}
            Err(why) => closed.push((path, why)),
        }
    }
    (found, closed)
}

/// `/dev/video0`, `/dev/video1` and so on, in the order of their numbers.
pub(super) fn nodes() -> Vec<PathBuf> {
    let names = fs::read_dir(DEVICES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers: Vec<u32> =
        names.filter_map(|name| name.strip_prefix("video")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|n| Path::new(DEVICES).join(format!("video{n}"))).collect()
}

fn link_to(device: &Path) -> Option<PathBuf> {
    let device = device.canonicalize().ok()?;
    let links = fs::read_dir(BY_ID).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut links: Vec<_> =
        links.filter(|link| link.canonicalize().is_ok_and(|to| to == device)).collect();
    links.sort();
    links.into_iter().next()
}

/// The cameras that there are, for the message that one was not found.
pub fn in_words() -> String {
    let (found, closed) = cameras();
    let name = |f: &Found| {
        format!("{} ({})", f.by_id.as_ref().unwrap_or(&f.path).display(), f.identity.name)
    };
    let all: Vec<_> = found
        .iter()
        .map(name)
        .chain(closed.iter().map(|(path, _)| path.display().to_string()))
        .collect();
    match all.is_empty() {
        true => "this machine has no camera now: is it plugged in?".to_owned(),
        false => format!("this machine has {}", all.join(", ")),
    }
}
