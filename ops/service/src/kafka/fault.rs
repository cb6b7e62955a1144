//! Errors of Kafka from the caller's side: may I retry?

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Kafka did not carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFault {
    /// The cluster is unreachable or busy with itself. Retry.
    #[error("Kafka is not available now: {0}")]
    Unavailable(KafkaError),
    /// Kafka refused, or the client is broken. Repeating will not help.
    #[error("Kafka refused: {0}")]
    Refused(KafkaError),
    /// A topic does not exist. Create it: `engine topics`.
    #[error("topic {topic} does not exist; `engine topics` creates it")]
    TopicMissing {
        /// The topic's name.
        topic: String,
    },
    /// A topic lacks the required configuration. An operator must act; never retry.
    #[error("topic {topic} has {property} = {found}, the log needs {wanted}")]
    TopicDiffers {
        /// The topic's name.
        topic: String,
        /// The property that differs.
        property: String,
        /// The value in Kafka.
        found: String,
        /// The value that the log needs.
        wanted: String,
    },
}

impl KafkaFault {
    /// True if the same call may succeed later.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// True if a log lacks the offset that its reader wants: it was cut or created again.
    pub fn is_lost_log(&self) -> bool {
        let lost = |error: &KafkaError| {
            matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
        };
        matches!(self, Self::Refused(error) if lost(error))
    }
}

impl From<KafkaError> for KafkaFault {
    fn from(error: KafkaError) -> Self {
        if may_retry(&error) { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

/// True if the same call may succeed later, as when brokers and networks restart, move or are slow.
pub fn may_retry(error: &KafkaError) -> bool {
    !matches!(error, KafkaError::MessageConsumptionFatal(_)) && error.rdkafka_error_code().is_some_and(is_transient)
}

fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::QueueFull
            | Code::NodeUpdate
            | Code::WaitingForCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::RebalanceInProgress
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::KafkaStorageError
            // Just created or just moved: the cluster's metadata spreads within a moment.
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::UnknownTopic
    )
}
