//! Checks I-15 from the log alone: only admins with the role manage admins, and there is always one
//! with the role and without expiry.

use std::collections::BTreeMap;

use schemas::{ADMINS_HOME, Admin, AdminId, AdminRoles, Event, Rejection, Timestamp};

use super::history::History;
use crate::cluster::Cluster;
use crate::seen::Seen;

/// Panics unless each admin was set and revoked as allowed.
pub fn check(cluster: &Cluster, history: &History) {
    let mut admins = AdminsOracle { there: BTreeMap::new() };
    for (outcome, _) in &history.outcomes {
        for event in &outcome.events {
            let seen = admins.read(outcome.time, event);
            assert!(seen.is_none() || history.shard == ADMINS_HOME, "admins of shard {}: {event:?}", history.shard);
            seen.into_iter().for_each(|seen| cluster.saw(seen));
        }
    }
}

struct AdminsOracle {
    there: BTreeMap<AdminId, Admin>,
}

impl AdminsOracle {
    fn read(&mut self, now: Timestamp, event: &Event) -> Option<Seen> {
        let seen = match event {
            Event::AdminSet { admin, by } => {
                self.check_asking(now, *by);
                let alike = self.there.values().find(|other| other.id != admin.id && other.proof == admin.proof);
                assert!(alike.is_none(), "I-15: {alike:?} proves itself as {admin:?} does");
                assert!(admin.expires.is_none_or(|expires| expires > now), "I-15: {admin:?} is set after its time");
                self.there.insert(admin.id, (**admin).clone());
                Seen::AdminSet
            }
            Event::AdminRevoked { admin, by } => {
                self.check_asking(now, *by);
                assert!(self.there.remove(admin).is_some(), "I-15: {admin} is revoked, and is none");
                Seen::AdminRevoked
            }
            Event::Rejected { code: Rejection::AdminsNotAllowed } => return Some(Seen::AdminNotAllowed),
            Event::Rejected { code: Rejection::LastAdmin } => return Some(Seen::LastAdminKept),
            _ => return None,
        };
        let lasts = |admin: &Admin| admin.expires.is_none() && keeps(admin);
        assert!(self.there.values().any(lasts), "I-15: nobody may say for ever who is an admin: {:?}", self.there);
        Some(seen)
    }

    fn check_asking(&self, now: Timestamp, by: AdminId) {
        let asks = self.there.get(&by).filter(|admin| admin.expires.is_none_or(|expires| now < expires));
        let may = self.there.is_empty() || asks.is_some_and(keeps);
        assert!(may, "I-15: {by} says who is an admin, and may not: {:?}", self.there);
    }
}

fn keeps(admin: &Admin) -> bool {
    admin.roles.bits() & AdminRoles::ADMINS.bits() != 0
}
