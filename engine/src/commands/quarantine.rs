//! `engine quarantine`: two admins quarantine the record or command at which a shard halts.
//!
//! Appends one record to the shard's events. All readers obey it: see [`schemas::halting`].

use std::time::Duration;

use clap::Args;
use engine_core::{Halt, Replica};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use schemas::codec::DecodeError;
use schemas::reading::RecordFault;
use schemas::text::Reason;
use schemas::{
    ADMINS_HOME, AdminId, AdminRoles, Command, CommandRecord, KeyProof, Quarantine, Quarantined, Record, Shard,
};
use service::clock;
use service::config::LogArgs;
use service::is_key;
use service::kafka::{ConsumerProfile, EventsTail, KafkaFault, producer_config, quarantine};

use super::inspect::{Partition, one_record};

/// How long one poll for the next record takes. [`LOOKS_MAX`] empty polls in a row mean that Kafka
/// is unreachable.
const PATIENCE: Duration = Duration::from_millis(200);
const LOOKS_MAX: u32 = 100;

const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Arguments of `engine quarantine`.
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The shard.
    #[arg(value_name = "SHARD")]
    pub shard: u16,
    /// The offset of an events record at which every reader halts, and that is not an outcome which
    /// later outcomes depend on.
    #[arg(long, value_name = "OFFSET", conflicts_with = "command", required_unless_present = "command")]
    pub record: Option<u64>,
    /// The offset of the next command, at which leaders halt. Its sender gets the answer
    /// `quarantined`.
    #[arg(long, value_name = "OFFSET")]
    pub command: Option<u64>,
    /// The reason, for later readers of the log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
    /// The key of the admin who makes the request.
    #[arg(long, env = "LFG_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    pub admin_key: String,
    /// The key of another admin, who agrees.
    #[arg(long, env = "LFG_SECOND_ADMIN_KEY", hide_env_values = true, value_name = "KEY")]
    pub second_admin_key: String,
}

/// Nothing was quarantined.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// Kafka refused a request.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// There is no such shard.
    #[error("the log has shards 0 to {0}")]
    NoSuchShard(u16),
    /// A key belongs to no admin, or to one without the required role.
    #[error("{0} is no key of an admin with the role ADMINS")]
    NotAnAdmin(&'static str),
    /// Both keys belong to the same admin.
    #[error("both keys belong to admin {0}: another admin must agree")]
    OneAdmin(AdminId),
    /// Readers halt at another record, or do not halt.
    #[error("readers of shard {shard} do not halt at record {record}: {instead}")]
    NotThere {
        /// The shard.
        shard: Shard,
        /// The record to quarantine.
        record: u64,
        /// What readers do instead.
        instead: String,
    },
    /// A later build wrote the record: quarantining it would create two histories of one log.
    #[error("a later build wrote record {record}: {newer}")]
    Later {
        /// The record to quarantine.
        record: u64,
        /// The halt, which names the build to install.
        newer: Halt,
    },
    /// It follows from all outcomes before it, so a reader may already have applied it.
    #[error("record {0} is the next outcome of its shard: readers may have applied it already; restore it from a copy")]
    AnOutcome(u64),
    /// Readers would halt again after the record.
    #[error("readers would halt again after record {record}: {next}")]
    NoUse {
        /// The record to quarantine.
        record: u64,
        /// Where they would halt next.
        next: Halt,
    },
    /// The command has an outcome, or is not the next one.
    #[error("command {command} is not the next of shard {shard}: that is {next}")]
    NotTheNext {
        /// The shard.
        shard: Shard,
        /// The command to quarantine.
        command: u64,
        /// The next command to decide.
        next: u64,
    },
    /// Readers halt before the last outcome, so the next command is not known.
    #[error("readers halt before the end of the events: {0}")]
    HaltsBefore(Halt),
    /// The command is an `AdvanceTime`; each leader appends another one.
    #[error("command {0} is an AdvanceTime, and each leader appends another: repair what it fails at")]
    OfTime(u64),
    /// The command contains a message that another shard has sent and will send again; without it
    /// credits would be lost.
    #[error("command {0} is a message between shards: without it credits would be lost")]
    BetweenShards(u64),
    /// No records arrive.
    #[error("records that are on the log do not arrive")]
    Silent,
}

/// Checks that the quarantine would help, and writes it. Blocks.
pub fn quarantine(args: &QuarantineArgs) -> Result<(), QuarantineError> {
    let shard = Shard::all(args.log.shards).find(|shard| shard.number() == args.shard);
    let shard = shard.ok_or(QuarantineError::NoSuchShard(args.log.shards - 1))?;
    let admins = KnownAdmins::read(&args.log)?;
    let by = admins.holder("LFG_ADMIN_KEY", &args.admin_key)?;
    let seconded = admins.holder("LFG_SECOND_ADMIN_KEY", &args.second_admin_key)?;
    if by == seconded {
        return Err(QuarantineError::OneAdmin(by));
    }
    let what = match (args.record, args.command) {
        (Some(offset), _) => {
            check_record(&args.log, shard, offset)?;
            Quarantined::Record { offset }
        }
        (None, offset) => {
            let offset = offset.unwrap_or_default();
            check_command(&args.log, shard, offset)?;
            Quarantined::Command { offset }
        }
    };
    let quarantine = Quarantine { shard, what, by, seconded, reason: args.reason.clone() };
    let offset = write(&args.log, &quarantine)?;
    println!("{what} of shard {shard} is quarantined by admins {by} and {seconded}: see events record {offset}");
    if args.record.is_some() {
        println!("restart each process that has halted there");
    } else {
        println!("restart the engine that has halted there, or let another lead");
    }
    Ok(())
}

/// The admins, according to the first shard up to where it can be read.
struct KnownAdmins(Replica);

impl KnownAdmins {
    fn read(log: &LogArgs) -> Result<Self, QuarantineError> {
        read(log, ADMINS_HOME, None).map(|read| Self(read.replica))
    }

    /// Returns the admin who has this key, if it may quarantine records.
    fn holder(&self, name: &'static str, key: &str) -> Result<AdminId, QuarantineError> {
        let now = clock::now();
        let mut admins = self.0.state().admins().filter(|admin| admin.may(AdminRoles::ADMINS, now));
        let holder = admins.find(|admin| matches!(&admin.proof, KeyProof::Secret(hash) if is_key(hash, key)));
        holder.map(|admin| admin.id).ok_or(QuarantineError::NotAnAdmin(name))
    }
}

/// A shard's state according to its log up to the end, skipping what is already quarantined, and
/// `also`.
struct ShardRead {
    /// The state at the end, or at the last record that could be read.
    replica: Replica,
    /// Why reading stopped before the end.
    halt: Option<Halt>,
}

fn read(log: &LogArgs, shard: Shard, also: Option<u64>) -> Result<ShardRead, QuarantineError> {
    let tail = EventsTail::open(&log.kafka, &log.topics(), ConsumerProfile::Bulk, [(shard, 0)])?;
    let (mut replica, end, mut looks) = (Replica::new(shard, log.shard_map()), tail.end(shard)?, 0);
    while replica.next_offset() < end {
        let Some(record) = tail.next_or_wait(PATIENCE)? else {
            looks += 1;
            if looks == LOOKS_MAX {
                return Err(QuarantineError::Silent);
            }
            continue;
        };
        looks = 0;
        if let Err(halt) = replica.read(record.offset(), record.payload()) {
            let Halt::Broken(broken) = &halt else { return Ok(ShardRead { replica, halt: Some(halt) }) };
            let offset = broken.offset;
            if also != Some(offset) && quarantine::of_record(log, shard, offset)?.is_none() {
                return Ok(ShardRead { replica, halt: Some(halt) });
            }
            replica.pass_over(offset);
        }
    }
    Ok(ShardRead { replica, halt: None })
}

/// Checks that readers halt at the record, and would continue after it.
fn check_record(log: &LogArgs, shard: Shard, record: u64) -> Result<(), QuarantineError> {
    let ShardRead { replica, halt } = read(log, shard, None)?;
    let instead = match halt {
        Some(Halt::Broken(broken)) if broken.offset == record => {
            if matches!(broken.fault, RecordFault::Newer { .. } | RecordFault::Undecodable(DecodeError::Newer { .. })) {
                return Err(QuarantineError::Later { record, newer: broken.into() });
            }
            let bytes = one_record(log, Partition::Events, shard, record)?.unwrap_or_default();
            if Record::follows(&bytes, replica.position().chain) {
                return Err(QuarantineError::AnOutcome(record));
            }
            let Some(next) = read(log, shard, Some(record))?.halt else { return Ok(()) };
            return Err(QuarantineError::NoUse { record, next });
        }
        Some(halt) => halt.to_string(),
        None => "they read all of it".to_owned(),
    };
    Err(QuarantineError::NotThere { shard, record, instead })
}

/// Checks that the command is the next one and not a message of another shard.
fn check_command(log: &LogArgs, shard: Shard, command: u64) -> Result<(), QuarantineError> {
    let ShardRead { replica, halt } = read(log, shard, None)?;
    if let Some(halt) = halt {
        return Err(QuarantineError::HaltsBefore(halt));
    }
    let next = replica.next_command();
    let Some(bytes) = one_record(log, Partition::Commands, shard, command)?.filter(|_| next == command) else {
        return Err(QuarantineError::NotTheNext { shard, command, next });
    };
    match CommandRecord::decode(&bytes) {
        Ok(CommandRecord { command: Command::Receive { .. } | Command::Acknowledge { .. }, .. }) => {
            Err(QuarantineError::BetweenShards(command))
        }
        Ok(CommandRecord { command: Command::AdvanceTime, .. }) => Err(QuarantineError::OfTime(command)),
        _ => Ok(()),
    }
}

fn write(log: &LogArgs, quarantine: &Quarantine) -> Result<u64, KafkaFault> {
    let producer: FutureProducer = producer_config(&log.kafka, WRITE_WITHIN).create()?;
    let (topic, bytes) = (log.topics().events, quarantine.encode());
    let record = FutureRecord::<(), _>::to(&topic).partition(quarantine.shard.partition()).payload(&bytes);
    let written = tokio::runtime::Handle::current().block_on(producer.send(record, Timeout::After(WRITE_WITHIN)));
    let delivery = written.map_err(|(error, _)| KafkaFault::from(error))?;
    Ok(u64::try_from(delivery.offset).unwrap_or_default())
}
