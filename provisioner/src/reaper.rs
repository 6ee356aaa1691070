//! Destroys what nobody owns: machines with our owner's tag that no lease of the ledger accounts for.

use crate::provider::{Listed, Owner, RemoteId};

/// What one lease of the ledger accounts for.
pub struct Claim<'a> {
    pub lease: &'a str,
    /// Absent while the lease cannot know yet: then every machine with its tag may be the one.
    pub remote: Option<&'a RemoteId>,
    /// It destroys and verifies by itself.
    pub ending: bool,
}

/// The machines to destroy. Those of other owners are never among them, whatever was listed.
pub fn strays(listed: &[Listed], owner: &Owner, claims: &[Claim<'_>]) -> Vec<RemoteId> {
    let is_stray = |listed: &&Listed| {
        listed.tag.owner == *owner
            && match claims.iter().find(|claim| claim.lease == listed.tag.lease) {
                None => true,
                Some(claim) => !claim.ending && claim.remote.is_some_and(|remote| *remote != listed.remote),
            }
    };
    listed.iter().filter(is_stray).map(|listed| listed.remote.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Tag;

    fn listed(owner: &str, lease: &str, remote: &str) -> Listed {
        let tag = Tag { owner: Owner(owner.into()), lease: lease.into() };
        Listed { remote: RemoteId(remote.into()), tag }
    }

    #[test]
    fn only_our_machines_without_a_lease_are_strays() {
        let kept = RemoteId("kept".into());
        let claims = [
            Claim { lease: "a", remote: Some(&kept), ending: false },
            Claim { lease: "b", remote: None, ending: false },
            Claim { lease: "c", remote: None, ending: true },
        ];
        let machines = [
            listed("me", "a", "kept"),
            listed("me", "a", "second"),
            listed("me", "b", "unknown-yet"),
            listed("me", "c", "ending"),
            listed("me", "z", "orphan"),
            listed("you", "z", "foreign"),
        ];
        let strays = strays(&machines, &Owner("me".into()), &claims);
        assert_eq!(strays, [RemoteId("second".into()), RemoteId("orphan".into())]);
    }
}
