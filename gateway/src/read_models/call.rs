//! Calls the one script that reads any keys at one moment.
//!
//!
//! Redis
//! reads of several shards
//!
//! |------------------------------------------------|--------------------------------------------------------------------|
//! | one server, or one behind Sentinel             | one call                                                           |
//! | a cluster: by its URL, or by what it refused   | one call a shard, in one pipeline: shards' keys are in other slots |
//!
//! The script is called by its hash. A server that does not know it (it restarted, or another has
//! taken over) gets its text.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fred::clients::{Client, Pool};
use fred::error::Error;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{ClusterHash, CustomCommand, Value};

const READ: &str = include_str!("read.lua");

/// Keys, with how each is read, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct WantedKeys {
    keys: Vec<String>,
    how: Vec<String>,
}

impl WantedKeys {
    pub(super) fn text(&mut self, key: String) {
        self.add(key, "text".to_owned());
    }

    pub(super) fn hash(&mut self, key: String) {
        self.add(key, "hash".to_owned());
    }

    fn add(&mut self, key: String, how: String) {
        self.keys.push(key);
        self.how.push(how);
    }

    /// The arguments of a command after the script.
    fn into_words(self, script: &str) -> Vec<String> {
        let head = [script.to_owned(), self.keys.len().to_string()];
        head.into_iter().chain(self.keys).chain(self.how).collect()
    }
}

/// The script on a server.
#[derive(Clone)]
pub(super) struct Script {
    hash: String,
    /// Keys of several shards cannot be read in one call.
    apart: Arc<AtomicBool>,
}

impl Script {
    /// Loads the script on the server.
    pub(super) async fn load(redis: &Pool) -> Result<Self, Error> {
        let client = redis.next();
        let hash = client.script_load(READ).await?;
        Ok(Self { hash, apart: Arc::new(AtomicBool::new(client.is_clustered())) })
    }

    /// Reads keys of each shard; the answers are in the order of the keys.
    pub(super) async fn read(&self, client: &Client, wanted: Vec<WantedKeys>) -> Result<Vec<Vec<Value>>, Error> {
        if wanted.len() == 1 || !self.apart.load(Ordering::Relaxed) {
            match self.together(client, &wanted).await {
                Err(error) if error.details().starts_with("CROSSSLOT") => self.apart.store(true, Ordering::Relaxed),
                read => return read,
            }
        }
        match pipeline(client, "EVALSHA", &self.hash, &wanted).await {
            Err(error) if is_unknown(&error) => pipeline(client, "EVAL", READ, &wanted).await,
            read => read,
        }
    }

    async fn together(&self, client: &Client, wanted: &[WantedKeys]) -> Result<Vec<Vec<Value>>, Error> {
        let keys: Vec<String> = wanted.iter().flat_map(|wanted| wanted.keys.iter().cloned()).collect();
        let how: Vec<String> = wanted.iter().flat_map(|wanted| wanted.how.iter().cloned()).collect();
        let mut read: Vec<Value> = match client.evalsha(self.hash.as_str(), keys.clone(), how.clone()).await {
            Err(error) if is_unknown(&error) => client.eval(READ, keys, how).await?,
            read => read?,
        };
        let mut parts = Vec::with_capacity(wanted.len());
        for wanted in wanted.iter().rev() {
            parts.push(read.split_off(read.len().saturating_sub(wanted.keys.len())));
        }
        parts.reverse();
        Ok(parts)
    }
}

fn is_unknown(error: &Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}

async fn pipeline(
    client: &Client,
    command: &'static str,
    script: &str,
    wanted: &[WantedKeys],
) -> Result<Vec<Vec<Value>>, Error> {
    let pipeline = client.pipeline();
    for wanted in wanted {
        // The first key, after the script and the number of keys, decides which server gets the
        // call.
        let command = CustomCommand::new_static(command, ClusterHash::Offset(2), false);
        pipeline.custom::<(), _>(command, wanted.clone().into_words(script)).await?;
    }
    let all: Vec<Value> = pipeline.all().await?;
    all.into_iter().map(Value::convert).collect()
}
