//! Who the worker is.

use super::Missing;
use nix::{
    sys::prctl,
    unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid},
};

/// `nobody` and `nogroup` on every Linux.
const NOBODY: u32 = 65_534;

/// Gives up root if the server runs as root, and the way back to it.
pub(super) fn leave_root() -> Result<(), Missing> {
    let dropped = if geteuid().is_root() { become_nobody() } else { Ok(()) };
    prctl::set_no_new_privs().map_err(Missing::Privileges)?;
    dropped.map_err(Missing::User)
}

fn become_nobody() -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)
}
