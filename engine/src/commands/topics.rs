//! `engine topics`: creates the log's topics, or verifies them.

use clap::Args;
use service::config::LogArgs;
use service::kafka::KafkaFault;
use service::kafka::topics::{Made, Replication, create};

/// Arguments of `engine topics`.
#[derive(Clone, Debug, Args)]
pub struct TopicsArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Copies of each record in new topics. Production: 3.
    #[arg(long, env = "LFG_REPLICATION", default_value_t = 1)]
    pub replication: u16,
    /// Copies that must be in sync for a write to count, in new topics. Production: 2.
    #[arg(long, env = "LFG_MIN_IN_SYNC", default_value_t = 1)]
    pub min_in_sync: u16,
}

/// Creates the topics that are missing, verifies the others, and prints a line for each.
pub async fn topics(args: &TopicsArgs) -> Result<(), KafkaFault> {
    let replication = Replication { factor: args.replication, min_in_sync: args.min_in_sync };
    for (topic, made) in create(&args.log, replication).await? {
        let what = match made {
            Made::Created => "created",
            Made::Verified => "is there and right",
        };
        println!("{topic}: {what}, {} partitions", args.log.shards);
    }
    Ok(())
}
