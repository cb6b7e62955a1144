//! Requests of admins about admins: creation, new roles and revocation.

use schemas::{ADMINS_HOME, AdminId, AdminRoles, Command, KeyProof, Timestamp, WantedAdmin};

use super::{ClientView, Population, RoutedCommand, listings, small};
use crate::random::Random;

/// The longest validity of an admin that ends, in milliseconds.
const LASTS_MAX: u64 = 20_000;

impl Population {
    /// Returns the first admin, which the configuration names.
    pub fn first_admin(&self) -> RoutedCommand {
        let (id, proof) = (AdminId(1), KeyProof::Secret([1; 32]));
        let admin = Box::new(WantedAdmin { id, proof: Some(proof), roles: AdminRoles::ALL, expires: None, name: None });
        self.at_admins(Command::SetAdmin { admin, by: id })
    }

    /// Returns a change of admins, mostly by an admin with the role; often about that admin itself.
    pub fn change_admins(&self, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let by = listings::admin(random);
        if random.one_in(3) {
            return self.at_admins(Command::RevokeAdmin { admin: listings::admin(random), by });
        }
        let secret = u8::try_from(1 + small(random, 4)).expect("small");
        let bits =
            if random.one_in(2) { AdminRoles::ALL.bits() } else { u8::try_from(small(random, 16)).expect("small") };
        let (lasts, ends) = (random.below(LASTS_MAX), random.one_in(2));
        let keeps = random.one_in(4);
        let admin = WantedAdmin {
            id: listings::admin(random),
            proof: (!keeps).then_some(KeyProof::Secret([secret; 32])),
            roles: AdminRoles::from_bits(bits),
            expires: ends.then(|| Timestamp(sight.now + lasts)),
            name: "simulated".parse().ok(),
        };
        self.at_admins(Command::SetAdmin { admin: Box::new(admin), by })
    }

    fn at_admins(&self, command: Command) -> RoutedCommand {
        RoutedCommand { shard: ADMINS_HOME, command, names: Vec::new() }
    }
}
