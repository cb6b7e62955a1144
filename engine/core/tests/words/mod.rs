//! Script commands that scenarios on one shard and on several have in common.

use schemas::{GroupAct, GroupLimits};

/// Parses an act on a group: `make 10 in 5`, `change 10 in 5`, `trigger`, `reset`, `delete`.
pub fn group_act(words: &[&str]) -> GroupAct {
    let limits = |contracts: &str, s: &str| GroupLimits::new(contracts.parse().unwrap(), s.parse().unwrap()).unwrap();
    match *words {
        ["make", contracts, "in", s] => GroupAct::Make(limits(contracts, s)),
        ["change", contracts, "in", s] => GroupAct::Change(limits(contracts, s)),
        ["trigger"] => GroupAct::Trigger,
        ["reset"] => GroupAct::Reset,
        ["delete"] => GroupAct::Delete,
        ref other => panic!("no such act: {other:?}"),
    }
}
