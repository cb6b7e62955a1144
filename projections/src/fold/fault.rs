//! Contradictions in the log.

use schemas::OrderId;

/// A contradiction in the log that the read rule cannot detect. Never retry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FoldFault {
    /// A trade precedes the placement of its taker.
    #[error("outcome {sequence}: the taker {order} of a trade was neither placed nor amended in the same outcome")]
    TakerNotPlaced {
        /// The outcome's sequence.
        sequence: u64,
        /// The taker's order id.
        order: OrderId,
    },
}
