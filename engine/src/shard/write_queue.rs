//! Records that a leader has decided to write and that the writer has not accepted yet.
//!
//!   leader, relay, timers ─▶ *write queue* ─▶ log

use std::collections::VecDeque;

use schemas::{CommandRecord, Shard};

use crate::log::{AppendFault, ShardLog};

/// Records to be written, in order. Empty unless the writer's queue is full. While it is not empty
/// no more commands are taken, so its size is limited by the unconfirmed outcomes and the messages
/// in the state.
#[derive(Default)]
pub struct WriteQueue {
    waiting: VecDeque<Write>,
}

enum Write {
    Event(Vec<u8>),
    Command(Shard, Vec<u8>),
}

impl WriteQueue {
    /// Adds an outcome of this shard.
    pub fn event(&mut self, bytes: Vec<u8>) {
        self.waiting.push_back(Write::Event(bytes));
    }

    /// Adds a command to `to`.
    pub fn command(&mut self, to: Shard, record: &CommandRecord) {
        self.waiting.push_back(Write::Command(to, record.encode()));
    }

    /// Returns true if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next record, which must be a command.
    #[cfg(test)]
    pub fn next_command(&mut self) -> Option<(Shard, CommandRecord)> {
        match self.waiting.pop_front()? {
            Write::Command(to, bytes) => CommandRecord::decode(&bytes).ok().map(|record| (to, record)),
            Write::Event(_) => None,
        }
    }

    /// Writes as much as the writer accepts. Fails if the writer is broken.
    pub fn write<L: ShardLog>(&mut self, log: &mut L) -> Result<(), WriterLost> {
        while let Some(write) = self.waiting.front() {
            let appended = match write {
                Write::Event(bytes) => log.append_event(bytes),
                Write::Command(to, bytes) => log.append_command(*to, bytes),
            };
            match appended {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(AppendFault::Full) => return Ok(()),
                Err(AppendFault::WriterLost) => return Err(WriterLost),
            }
        }
        if log.writer_is_lost() { Err(WriterLost) } else { Ok(()) }
    }
}

/// The writer is broken; records handed over may be missing from the log.
pub struct WriterLost;
