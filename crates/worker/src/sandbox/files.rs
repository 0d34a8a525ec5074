//! Files, TCP ports, abstract sockets and signals: out of reach by Landlock.

use super::Missing;
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};

/// What is handled where the kernel knows it; older kernels handle less.
const NEWEST: ABI = ABI::V6;

/// Denies all that Landlock can deny: the rule set has no rule that would allow anything.
pub(super) fn fence_off() -> Result<(), Missing> {
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => {
            Err(Missing::Files("this kernel has no Landlock".to_owned()))
        }
        Ok(_) => Ok(()),
        Err(e) => Err(Missing::Files(e.to_string())),
    }
}

fn restrict() -> Result<RulesetStatus, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    Ok(rules.create()?.restrict_self()?.ruleset)
}
