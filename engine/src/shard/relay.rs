//! Carries messages between shards: copies what was `Sent` here to the receiver's commands,
//! acknowledges what was `Received` here, and sends unacknowledged messages again.
//!
//! ```text
//! events of a ─▶ *relay of a* ─▶ commands of b ─▶ events of b ─▶ *relay of b* ─▶ commands of a (Acknowledge)
//! ```
//!
//! Only confirmed outcomes are relayed. Sending twice is harmless (the receiver skips what it has);
//! never sending is not. So a new leader sends everything that its state still keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use engine_core::Replica;
use schemas::{Command, CommandId, CommandRecord, Event, Message, Origin, Outcome, Shard, TraceContext};

use super::write_queue::WriteQueue;
use crate::log::Clock;

/// The time between two acknowledgements, to any shards. No request waits for them, but a sender
/// keeps its messages until then. So the number of acknowledgements per second does not grow with
/// the number of shards.
const ACKNOWLEDGE_PERIOD: Duration = Duration::from_millis(500);

/// This many messages of one sender are acknowledged immediately.
const ACKNOWLEDGE_EVERY: u64 = 1_000;

/// A message that is not acknowledged for this long, plus the time in which all shards have their
/// turn, is sent again; then after twice as long, and so on.
const RESEND_AFTER: Duration = Duration::from_secs(5);

/// The longest pause between two tries, if all shards have their turn within it.
const RESEND_AFTER_MAX: Duration = Duration::from_secs(60);

/// How many messages to one receiver are sent again at a time: later ones have usually arrived
/// already.
const RESEND_MAX: usize = 1_000;

/// How often unacknowledged messages are checked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The relay of one shard's leader.
pub struct Relay {
    me: Shard,
    acknowledge: BTreeMap<Shard, Acknowledgement>,
    /// Senders with so many messages that they are acknowledged immediately. This does not affect
    /// the turn of others.
    many: Vec<Shard>,
    /// When the next acknowledgement may be sent.
    acknowledge_at: Duration,
    receivers: BTreeMap<Shard, Receiver>,
    resend_after: Duration,
    look_at: Duration,
}

/// What will be acknowledged to one sender.
struct Acknowledgement {
    number: u64,
    messages: u64,
    /// When the first of these messages was received.
    since: Duration,
}

/// The state of one receiver.
struct Receiver {
    /// Messages up to this number are confirmed and may be sent.
    confirmed: u64,
    /// The first message that was unacknowledged at the last check, since when, and how long to
    /// wait for it.
    first: u64,
    since: Duration,
    wait: Duration,
}

impl Relay {
    /// Starts with a term, when all messages in the state are confirmed: sends all of them.
    pub fn begin(replica: &Replica, (me, shards): (Shard, u16), now: Duration, out: &mut WriteQueue) -> Self {
        let resend_after = RESEND_AFTER + ACKNOWLEDGE_PERIOD * u32::from(shards);
        let (acknowledge, receivers) = (BTreeMap::new(), BTreeMap::new());
        let (acknowledge_at, look_at) = (now, now + LOOK_EVERY);
        let many = Vec::new();
        let mut relay = Self { me, acknowledge, many, acknowledge_at, receivers, resend_after, look_at };
        for (to, number, origin, message) in replica.kept_messages() {
            out.command(to, &copy(me, number, (origin, None), message.clone()));
            relay.sent(to, number, now);
        }
        relay
    }

    /// Records that a message is sent for the first time.
    fn sent(&mut self, to: Shard, number: u64, now: Duration) {
        let fresh = Receiver { confirmed: number, first: number, since: now, wait: self.resend_after };
        self.receivers.entry(to).or_insert(fresh).confirmed = number;
    }

    /// Handles a confirmed own outcome: relays what it sent, records what it received.
    pub fn confirmed(&mut self, outcome: Outcome, now: Duration, out: &mut WriteQueue) {
        // A message is sent under the command that this part of the outcome answers, as it is kept.
        let cause = outcome.cause.id;
        let (mut origin, mut trace) = (cause, None);
        for event in outcome.events {
            match event {
                Event::CameWith(origin) => trace = origin.trace,
                Event::Resumed { command, .. } => origin = command,
                Event::Sent { to, number, message } => {
                    let trace = trace.filter(|_| origin == cause);
                    out.command(to, &copy(self.me, number, (origin, trace), message));
                    self.sent(to, number, now);
                }
                Event::Received { from, number } => self.taken_in(from, number, now),
                Event::MessageSkipped { from, number, expected } if number < expected => {
                    self.taken_in(from, expected - 1, now);
                }
                _ => {}
            }
        }
    }

    fn taken_in(&mut self, from: Shard, number: u64, now: Duration) {
        if self.acknowledge.is_empty() {
            self.acknowledge_at = self.acknowledge_at.max(now + ACKNOWLEDGE_PERIOD);
        }
        let fresh = Acknowledgement { number: 0, messages: 0, since: now };
        let pending = self.acknowledge.entry(from).or_insert(fresh);
        pending.number = pending.number.max(number);
        pending.messages += 1;
        if pending.messages == ACKNOWLEDGE_EVERY {
            self.many.push(from);
        }
    }

    /// Does what is due; returns how many messages were sent again.
    pub fn tend(&mut self, replica: &Replica, clock: &mut impl Clock, out: &mut WriteQueue) -> u64 {
        let now = clock.elapsed();
        for from in std::mem::take(&mut self.many) {
            self.acknowledge(from, clock, out);
        }
        if self.acknowledge_at <= now {
            self.acknowledge_one(clock, out);
        }
        if self.look_at > now {
            return 0;
        }
        self.look_at = now + LOOK_EVERY;
        self.resend(replica, now, out)
    }

    /// Acknowledges to the sender that has waited longest.
    fn acknowledge_one(&mut self, clock: &mut impl Clock, out: &mut WriteQueue) {
        let Some((&from, _)) = self.acknowledge.iter().min_by_key(|(_, pending)| pending.since) else { return };
        self.acknowledge_at = clock.elapsed() + ACKNOWLEDGE_PERIOD;
        self.acknowledge(from, clock, out);
    }

    /// Acknowledges all that was received.
    pub fn acknowledge_all(&mut self, clock: &mut impl Clock, out: &mut WriteQueue) {
        while let Some((&from, _)) = self.acknowledge.first_key_value() {
            self.acknowledge(from, clock, out);
        }
    }

    fn acknowledge(&mut self, from: Shard, clock: &mut impl Clock, out: &mut WriteQueue) {
        let Some(Acknowledgement { number, .. }) = self.acknowledge.remove(&from) else { return };
        let command = Command::Acknowledge { to: self.me, number };
        out.command(from, &CommandRecord::new(clock.command_id(), command));
    }

    fn resend(&mut self, replica: &Replica, now: Duration, out: &mut WriteQueue) -> u64 {
        let late = self.late(replica, now);
        let mut sent: BTreeMap<Shard, usize> = BTreeMap::new();
        let kept = replica.kept_messages().filter(|(to, number, ..)| late.get(to).is_some_and(|upto| number <= upto));
        for (to, number, origin, message) in kept {
            let count = sent.entry(to).or_default();
            if *count < RESEND_MAX {
                *count += 1;
                out.command(to, &copy(self.me, number, (origin, None), message.clone()));
            }
        }
        for (to, count) in &sent {
            tracing::warn!(shard = %self.me, %to, count, "messages are sent again: they were not acknowledged");
        }
        sent.values().map(|&count| count as u64).sum()
    }

    /// Returns the receivers whose first message has waited too long, and the number up to which
    /// their messages are confirmed.
    fn late(&mut self, replica: &Replica, now: Duration) -> BTreeMap<Shard, u64> {
        let mut firsts: BTreeMap<Shard, u64> = BTreeMap::new();
        for (to, number, ..) in replica.kept_messages() {
            firsts.entry(to).or_insert(number);
        }
        let mut late = BTreeMap::new();
        for (to, receiver) in &mut self.receivers {
            match firsts.get(to) {
                Some(&first) if first == receiver.first && first <= receiver.confirmed => {
                    if now.saturating_sub(receiver.since) >= receiver.wait {
                        receiver.since = now;
                        receiver.wait = (receiver.wait * 2).min(RESEND_AFTER_MAX.max(self.resend_after));
                        late.insert(*to, receiver.confirmed);
                    }
                }
                first => {
                    receiver.first = first.copied().unwrap_or(receiver.confirmed + 1);
                    receiver.since = now;
                    receiver.wait = self.resend_after;
                }
            }
        }
        late
    }
}

/// Returns a message as a command for the receiver, with the id of the original command. Its trace
/// is not part of the state, so a message sent again has none.
fn copy(from: Shard, number: u64, (id, trace): (CommandId, Option<TraceContext>), message: Message) -> CommandRecord {
    let origin = trace.map(|_| Box::new(Origin { trace, idempotency_key: None }));
    CommandRecord { origin, ..CommandRecord::new(id, Command::Receive { from, number, message }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use schemas::shard_map::ShardMap;
    use schemas::{Cause, Timestamp};

    use super::*;

    struct At(Duration);

    impl Clock for At {
        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }

        fn elapsed(&self) -> Duration {
            self.0
        }

        fn command_id(&mut self) -> CommandId {
            CommandId(1)
        }

        fn sleep(&mut self, _: Duration) {}
    }

    fn received(from: Shard, number: u64) -> Outcome {
        let (cause, events) = (Cause { offset: 0, id: CommandId(0) }, vec![Event::Received { from, number }]);
        Outcome { term: 0, sequence: number, time: Timestamp(0), cause, events }
    }

    #[test]
    fn who_sends_much_is_acknowledged_at_once_and_takes_nobodys_turn() {
        let [me, busy, quiet] = [0, 1, 2].map(|shard| Shard::new(shard).unwrap());
        let replica = Replica::new(me, ShardMap::new(3).unwrap());
        let mut out = WriteQueue::default();
        let mut relay = Relay::begin(&replica, (me, 3), Duration::ZERO, &mut out);
        relay.confirmed(received(quiet, 1), Duration::ZERO, &mut out);
        let (mut acknowledged, mut number) = (BTreeMap::new(), 0);
        for millis in (0..3_000).step_by(20) {
            let now = Duration::from_millis(millis);
            // 5,000 a second.
            for _ in 0..100 {
                number += 1;
                relay.confirmed(received(busy, number), now, &mut out);
            }
            relay.tend(&replica, &mut At(now), &mut out);
            while let Some((to, record)) = out.next_command() {
                assert!(matches!(record.command, Command::Acknowledge { .. }));
                *acknowledged.entry(to).or_insert(0) += 1;
            }
        }
        assert_eq!(acknowledged[&quiet], 1, "its turn came");
        // One for each thousand, and those of its own turns.
        assert!((15..=21).contains(&acknowledged[&busy]), "{acknowledged:?}");
    }
}
