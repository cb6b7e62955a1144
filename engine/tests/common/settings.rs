//! Changes a topic while engines use it.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use service::kafka::admin_config;

use super::TestLog;

/// Sets the required configuration of the events topic, with one property changed.
pub async fn change_events(log: &TestLog, change: Option<(&str, &str)>) {
    let bytes_max = schemas::limits::RECORD_BYTES_MAX.to_string();
    let topic = log.args.topics().events;
    let mut config = AlterConfig::new(ResourceSpecifier::Topic(&topic));
    for (property, value) in [
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", &bytes_max),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("cleanup.policy", "delete"),
        ("unclean.leader.election.enable", "false"),
        ("min.insync.replicas", "1"),
    ] {
        let changed = change.filter(|(changed, _)| *changed == property);
        config = config.set(property, changed.map_or(value, |(_, value)| value));
    }
    let admin: AdminClient<DefaultClientContext> = admin_config(&log.args.kafka).create().unwrap();
    admin.alter_configs([&config], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
}
