//! Who is an admin: the first comes from the configuration, the last that keeps admins stays.

use schemas::{Admin, AdminId, AdminRoles, Command, Event, KeyProof, Rejection, Timestamp, WantedAdmin};

use crate::script::Scenario;

fn admin(id: u8, roles: AdminRoles, expires: Option<Timestamp>) -> Admin {
    Admin { id: AdminId(id.into()), proof: KeyProof::Secret([id; 32]), roles, expires, name: None }
}

fn set(admin: &Admin, by: u64) -> Command {
    let Admin { id, proof, roles, expires, name } = admin.clone();
    let admin = Box::new(WantedAdmin { id, proof: Some(proof), roles, expires, name });
    Command::SetAdmin { admin, by: AdminId(by) }
}

/// Other roles, and the proof that it has.
fn keep(id: u64, roles: AdminRoles, by: u64) -> Command {
    let admin = Box::new(WantedAdmin { id: AdminId(id), proof: None, roles, expires: None, name: None });
    Command::SetAdmin { admin, by: AdminId(by) }
}

fn revoke(admin: u64, by: u64) -> Command {
    Command::RevokeAdmin { admin: AdminId(admin), by: AdminId(by) }
}

/// `None` if it was done.
fn refused(scenario: &mut Scenario, command: &Command) -> Option<Rejection> {
    match &scenario.handle(command)[..] {
        [Event::Rejected { code }] => Some(*code),
        [Event::AdminSet { .. } | Event::AdminRevoked { .. }] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_comes_first_keeps_admins_and_then_only_admins_say_who_is_one() {
    let mut scenario = Scenario::new();
    let soon = Some(Timestamp(scenario.state.time().0 + 1_000));
    for first in [admin(1, AdminRoles::MONEY, None), admin(1, AdminRoles::ALL, soon)] {
        assert_eq!(refused(&mut scenario, &set(&first, 9)), Some(Rejection::LastAdmin), "{first:?}");
    }
    assert_eq!(refused(&mut scenario, &set(&admin(1, AdminRoles::ALL, None), 9)), None);
    let second = admin(2, AdminRoles::MARKETS, None);
    for by in [9, 2] {
        assert_eq!(refused(&mut scenario, &set(&second, by)), Some(Rejection::AdminsNotAllowed), "{by}");
    }
    assert_eq!(refused(&mut scenario, &set(&second, 1)), None);
    assert_eq!(refused(&mut scenario, &revoke(1, 2)), Some(Rejection::AdminsNotAllowed));
    let alike = Admin { proof: second.proof, ..admin(3, AdminRoles::AUDITOR, None) };
    assert_eq!(refused(&mut scenario, &set(&alike, 1)), Some(Rejection::AdminProofTaken));
    // Its own proof is nobody else's.
    assert_eq!(refused(&mut scenario, &set(&Admin { roles: AdminRoles::MONEY, ..second }, 1)), None);
    assert_eq!(refused(&mut scenario, &revoke(7, 1)), Some(Rejection::AdminUnknown));
}

#[test]
fn the_last_that_keeps_admins_is_neither_revoked_nor_given_less() {
    let mut scenario = Scenario::new();
    let end = Timestamp(scenario.state.time().0 + 1_000);
    refused(&mut scenario, &set(&admin(1, AdminRoles::ALL, None), 1));
    assert_eq!(refused(&mut scenario, &set(&admin(2, AdminRoles::ADMINS, Some(end)), 1)), None);
    let less = [admin(1, AdminRoles::MONEY, None), admin(1, AdminRoles::ALL, Some(end))];
    for by in [1, 2] {
        assert_eq!(refused(&mut scenario, &revoke(1, by)), Some(Rejection::LastAdmin), "{by}");
        for less in &less {
            assert_eq!(refused(&mut scenario, &set(less, by)), Some(Rejection::LastAdmin), "{by} {less:?}");
        }
    }
    scenario.wait(1_000);
    assert_eq!(refused(&mut scenario, &revoke(2, 2)), Some(Rejection::AdminsNotAllowed));
    assert_eq!(refused(&mut scenario, &set(&admin(2, AdminRoles::ADMINS, None), 1)), None);
    assert_eq!(refused(&mut scenario, &revoke(1, 1)), None);
    assert_eq!(refused(&mut scenario, &revoke(2, 2)), Some(Rejection::LastAdmin));
    let left: Vec<u64> = scenario.state.admins().map(|admin| admin.id.0).collect();
    assert_eq!(left, [2]);
}

#[test]
fn an_expiry_is_still_to_come() {
    let mut scenario = Scenario::new();
    refused(&mut scenario, &set(&admin(1, AdminRoles::ALL, None), 1));
    let late = admin(2, AdminRoles::MONEY, Some(scenario.state.time()));
    assert_eq!(refused(&mut scenario, &set(&late, 1)), Some(Rejection::KeyExpiryInPast));
}

/// Whatever the one who asks knew of it: between a new key and other roles nothing of before comes
/// back.
#[test]
fn what_is_not_given_stays_as_it_is_when_it_is_decided() {
    let mut scenario = Scenario::new();
    refused(&mut scenario, &set(&admin(1, AdminRoles::ALL, None), 1));
    refused(&mut scenario, &set(&admin(2, AdminRoles::MONEY, None), 1));
    let new = Admin { proof: KeyProof::Secret([22; 32]), ..admin(2, AdminRoles::MONEY, None) };
    assert_eq!(refused(&mut scenario, &set(&new, 1)), None);
    assert_eq!(refused(&mut scenario, &keep(2, AdminRoles::AUDITOR, 1)), None);
    let known = scenario.state.admin(AdminId(2)).unwrap();
    assert_eq!((known.proof, known.roles), (new.proof, AdminRoles::AUDITOR));
    assert_eq!(refused(&mut scenario, &revoke(2, 1)), None);
    assert_eq!(refused(&mut scenario, &keep(2, AdminRoles::MONEY, 1)), Some(Rejection::AdminUnknown));
}
