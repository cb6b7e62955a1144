//! Chooses which process should lead which shard, by membership in a consumer group over the
//! commands topic.
//!
//! ```text
//! group coordinator ─▶ *ownership* ─▶ wanted state of each shard's loop
//! ```
//!
//! The group only chooses; terms make it safe. The member reads no commands: the shards' loops read
//! through another consumer, which stays open and warm whether they lead or not. Once a second it
//! commits up to where the outcomes of the shards led here have been read back: for lag monitors,
//! and as a record outside the events topic. An engine that finds fewer outcomes on the log than
//! were committed leads nothing (ADR 19).
//!
//! | what happens                         | the loop                                                                     |
//! |--------------------------------------|------------------------------------------------------------------------------|
//! | this process ends                    | resigns first, so the next leader starts where this one ended                |
//! | the group assigns the shard elsewhere | continues until the other process takes over: it may be recovering or halted |
//! | the membership fails                 | resigns                                                                      |
//! | the group assigns a shard to us      | takes over as soon as it has recovered; never if it has halted               |

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::gauge;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};
use schemas::topics::Topics;
use service::config::LogArgs;
use service::kafka::requests::Requests;
use service::kafka::{GroupProtocol, KafkaFault, Reconnecting, may_retry, member_config, reconnect};
use service::{ReadinessPart, Shutdown};

use crate::metrics::{COMMANDS_LAG, HALTED_AND_OWNED};
use crate::shard::{Control, ShardRole};

/// How long a shard may take to resign before the process leaves the group anyway.
const RESIGN_WITHIN: Duration = Duration::from_secs(2);

/// How often a request to end is checked.
const POLL: Duration = Duration::from_millis(20);

/// How often lag is measured.
const ACCOUNT_EVERY: Duration = Duration::from_secs(5);

/// How often offsets are committed. A loss of younger events goes unnoticed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// For all shards: the member hears nothing of its group meanwhile.
const WATERMARKS_WITHIN: Duration = Duration::from_secs(1);

/// The pause before a new member replaces one that failed.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The time after which a member without any shard (there are more engines than shards) counts as a
/// standby.
const STANDBY_AFTER: Duration = Duration::from_secs(5);

/// A running membership.
pub struct Ownership {
    leave: Shutdown,
    thread: JoinHandle<()>,
}

/// The settings of a membership.
pub struct GroupConfig {
    /// The log.
    pub log: LogArgs,
    /// The group protocol.
    pub protocol: GroupProtocol,
    /// Each shard's loop, by number.
    pub controls: Vec<Control>,
    /// Becomes ready when the assignment is known.
    pub ready: ReadinessPart,
}

impl Ownership {
    /// Joins the group, in a thread of its own.
    pub fn join(group: GroupConfig) -> std::io::Result<Self> {
        let leave = Shutdown::new();
        let asked = leave.clone();
        let thread = std::thread::Builder::new().name("ownership".to_owned()).spawn(move || belong(&group, &asked))?;
        Ok(Self { leave, thread })
    }

    /// Resigns from all shards, then leaves the group. Blocks, for about two seconds at most if
    /// Kafka is healthy.
    pub fn leave(self) {
        self.leave.trigger();
        if self.thread.join().is_err() {
            tracing::error!("the group member panicked");
        }
    }
}

/// Runs one membership after the other, until asked to leave.
fn belong(group: &GroupConfig, leave: &Shutdown) {
    while !leave.is_triggered() {
        if let Err(fault) = Member::join(group).and_then(|member| member.stay(leave)) {
            tracing::error!(%fault, "membership ended; joining again");
            group.ready.set(false);
            resign(&group.controls);
            std::thread::sleep(JOIN_AGAIN_AFTER);
        }
    }
}

/// Requests loops to resign, and waits for them.
fn resign<'a>(controls: impl IntoIterator<Item = &'a Control> + Clone) {
    for control in controls.clone() {
        control.want_lead(false);
    }
    let start = Instant::now();
    let leads = |control: &&Control| matches!(control.role(), ShardRole::Leading | ShardRole::Resigning);
    while start.elapsed() < RESIGN_WITHIN && controls.clone().into_iter().any(|control| leads(&control)) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Member {
    consumer: BaseConsumer<Owned>,
    topics: Topics,
    joined: Instant,
}

impl Member {
    fn join(group: &GroupConfig) -> Result<Self, KafkaFault> {
        let topics = group.log.topics();
        let mut config = member_config(&group.log.kafka, &topics.engines_group, group.protocol);
        let requests = Requests::of("membership", &mut config);
        let (controls, ready) = (group.controls.clone(), group.ready.clone());
        let owned = Owned { topics: topics.clone(), controls, ready, requests };
        let consumer: BaseConsumer<Owned> = config.create_with_context(owned)?;
        consumer.subscribe(&[&topics.commands])?;
        Ok(Self { consumer, topics, joined: Instant::now() })
    }

    fn stay(&self, leave: &Shutdown) -> Result<(), KafkaFault> {
        let mut account_at = Instant::now() + ACCOUNT_EVERY;
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        while !leave.is_triggered() {
            match self.consumer.poll(POLL) {
                // This member fetches nothing on purpose. A command delivered between assignment
                // and pause is dropped: the shards' loops read commands through another consumer.
                None | Some(Ok(_)) => {}
                // The client has logged it already.
                Some(Err(error)) if may_retry(&error) => tracing::debug!(%error, "membership waits for Kafka"),
                Some(Err(error)) => return Err(error.into()),
            }
            reconnect(self.consumer.client());
            if self.joined.elapsed() >= STANDBY_AFTER {
                self.context().ready.set(true);
            }
            if Instant::now() >= account_at {
                account_at = Instant::now() + ACCOUNT_EVERY;
                self.account();
            }
            if Instant::now() >= commit_at {
                commit_at = Instant::now() + COMMIT_EVERY;
                self.commit(&self.led());
            }
        }
        let led = self.led();
        resign(&self.context().controls);
        self.commit(&led);
        self.context().ready.set(false);
        // Dropping the consumer leaves the group.
        Ok(())
    }

    fn context(&self) -> &Arc<Owned> {
        self.consumer.context()
    }

    /// Returns the shards led here.
    fn led(&self) -> Vec<(i32, &Control)> {
        let controls = (0_i32..).zip(&self.context().controls);
        controls.filter(|(_, control)| control.role() == ShardRole::Leading).collect()
    }

    /// Measures the lag of the shards led here. Of the others it is not known.
    fn account(&self) {
        self.context().tell_halted();
        let deadline = Instant::now() + WATERMARKS_WITHIN;
        for (number, control) in (0_i32..).zip(&self.context().controls) {
            let lag = (control.role() == ShardRole::Leading).then(|| self.lag(number, control, deadline)).flatten();
            #[allow(clippy::cast_precision_loss, reason = "a metric")]
            gauge!(COMMANDS_LAG, "shard" => number.to_string()).set(lag.map_or(f64::NAN, |lag| lag as f64));
        }
    }

    /// Returns the lag of a shard; `None` if no broker answers with the end of its commands.
    fn lag(&self, number: i32, control: &Control, deadline: Instant) -> Option<u64> {
        let next = control.next_command();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        match self.consumer.fetch_watermarks(&self.topics.commands, number, left) {
            Ok((_, high)) => Some(u64::try_from(high).unwrap_or(0).saturating_sub(next)),
            Err(error) => {
                tracing::warn!(shard = number, %error, "the lag is not known");
                None
            }
        }
    }

    /// Commits the progress of shards: up to the last command whose outcome was read from the log,
    /// so that all in-sync replicas have it.
    fn commit(&self, led: &[(i32, &Control)]) {
        let mut offsets = TopicPartitionList::new();
        for &(number, control) in led {
            let offset = i64::try_from(control.next_command()).map_or(Offset::Invalid, Offset::Offset);
            if let Err(error) = offsets.add_partition_offset(&self.topics.commands, number, offset) {
                tracing::warn!(shard = number, %error, "an offset cannot be committed");
            }
        }
        if offsets.count() > 0
            && let Err(error) = self.consumer.commit(&offsets, CommitMode::Async)
        {
            tracing::warn!(%error, "offsets were not committed");
        }
    }
}

/// Receives the group's assignments.
struct Owned {
    topics: Topics,
    controls: Vec<Control>,
    ready: ReadinessPart,
    requests: Requests,
}

impl Owned {
    fn of(&self, partitions: &TopicPartitionList) -> Vec<&Control> {
        let ours = partitions.elements_for_topic(&self.topics.commands).into_iter().map(|element| element.partition());
        ours.filter_map(|partition| self.controls.get(usize::try_from(partition).ok()?)).collect()
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}

impl Owned {
    /// Reports shards that no process can lead because the group assigns them to a process where
    /// they have halted.
    fn tell_halted(&self) {
        for (shard, control) in self.controls.iter().enumerate() {
            let halted = control.is_halted_and_wanted();
            gauge!(HALTED_AND_OWNED, "shard" => shard.to_string()).set(if halted { 1.0 } else { 0.0 });
            if halted {
                tracing::error!(
                    shard,
                    "the group assigns to this process a shard that has halted here; hint: if another engine follows it without \
                     error, stop this process, and that one takes over"
                );
            }
        }
    }
}

impl ClientContext for Owned {
    fn stats(&self, statistics: Statistics) {
        self.requests.count(&statistics);
    }
}

impl Reconnecting for Owned {
    fn requests(&self) -> &Requests {
        &self.requests
    }
}

impl ConsumerContext for Owned {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(partitions) => {
                tracing::info!(shards = ?numbers(partitions), "the group revokes shards");
                self.of(partitions).into_iter().for_each(Control::want_successor);
            }
            Rebalance::Error(error) => {
                tracing::error!(%error, "a rebalance failed: leading nothing");
                resign(&self.controls);
            }
            Rebalance::Assign(_) => {}
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            if let Err(error) = consumer.pause(partitions) {
                tracing::warn!(%error, "commands could not be paused; they are fetched and dropped");
            }
            tracing::info!(shards = ?numbers(partitions), "the group assigns shards");
            for control in self.of(partitions) {
                control.want_lead(true);
            }
            self.tell_halted();
            self.ready.set(true);
        }
    }
}
