//! Admins: the first comes from the configuration, and the last one with the role `admins` stays.

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

/// Other roles, with the same key.
fn keep(id: u64, roles: AdminRoles, by: u64) -> Command {
    let admin = Box::new(WantedAdmin { id: AdminId(id), proof: None, roles, expires: None, name: None });
    Command::SetAdmin { admin, by: AdminId(by) }
}

fn revoke(admin: u64, by: u64) -> Command {
    Command::RevokeAdmin { admin: AdminId(admin), by: AdminId(by) }
}

/// `None` if it succeeded.
fn refused(scenario: &mut Scenario, command: &Command) -> Option<Rejection> {
    match &scenario.handle(command)[..] {
        [Event::Rejected { code }] => Some(*code),
        [Event::AdminSet { .. } | Event::AdminRevoked { .. }] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_admin_has_the_role_admins_and_then_only_admins_set_admins() {
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
    // No other admin may have its key.
    assert_eq!(refused(&mut scenario, &set(&Admin { roles: AdminRoles::MONEY, ..second }, 1)), None);
    assert_eq!(refused(&mut scenario, &revoke(7, 1)), Some(Rejection::AdminUnknown));
}

#[test]
fn the_last_admin_with_the_role_admins_cannot_be_revoked_or_lose_it() {
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
fn an_admins_expiry_lies_in_the_future() {
    let mut scenario = Scenario::new();
    refused(&mut scenario, &set(&admin(1, AdminRoles::ALL, None), 1));
    let late = admin(2, AdminRoles::MONEY, Some(scenario.state.time()));
    assert_eq!(refused(&mut scenario, &set(&late, 1)), Some(Rejection::KeyExpiryInPast));
}

/// Fields that a request omits keep their value at the time of the decision, whatever the requester
/// knew: a role change after a key change does not restore the earlier key.
#[test]
fn omitted_fields_keep_their_value_at_the_decision() {
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
