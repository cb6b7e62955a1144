//! `engine topics`: creates the log's topics, or verifies them.

use clap::Args;
use service::config::LogArgs;
use service::kafka::KafkaFault;
use service::kafka::topics::{TopicOutcome, create};

/// Arguments of `engine topics`.
#[derive(Clone, Debug, Args)]
pub struct TopicsArgs {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Creates missing topics, verifies existing ones, and prints a line for each.
pub async fn topics(args: &TopicsArgs) -> Result<(), KafkaFault> {
    for (topic, made) in create(&args.log).await? {
        let what = match made {
            TopicOutcome::Created => "created",
            TopicOutcome::Verified => "exists and is correct",
        };
        println!("{topic}: {what}, {} partitions", args.log.shards);
    }
    Ok(())
}
