//! One line for each key: who shares a key waits for each other, who does not, does not. A line has
//! one or more first places.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Line = Arc<Semaphore>;

/// The lines of all keys. A key without anyone in its line takes no memory.
pub struct Lines<K: Copy + Eq + Hash>(Mutex<HashMap<K, Line>>);

/// A first place in a line. The next in the line gets it when it is dropped.
pub struct LinePlace<K: Copy + Eq + Hash> {
    lines: Arc<Lines<K>>,
    key: K,
    held: Option<OwnedSemaphorePermit>,
}

impl<K: Copy + Eq + Hash> Default for Lines<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Lines<K> {
    /// Waits for the first place in a key's line. Whoever stops waiting leaves the line.
    pub async fn take(self: &Arc<Self>, key: K) -> LinePlace<K> {
        self.take_one_of(1, key).await
    }

    /// The same in a line with so many first places, as many at each call with this key.
    pub async fn take_one_of(self: &Arc<Self>, places: usize, key: K) -> LinePlace<K> {
        // Before the wait, so that leaving the line forgets the key.
        let mut place = LinePlace { lines: Arc::clone(self), key, held: None };
        let line = Arc::clone(self.lines().entry(key).or_insert_with(|| Arc::new(Semaphore::new(places))));
        place.held = Some(line.acquire_owned().await.expect("the semaphore is never closed"));
        place
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn keys(&self) -> Vec<K> {
        self.lines().keys().copied().collect()
    }
}

impl<K: Copy + Eq + Hash> Drop for LinePlace<K> {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut lines = self.lines.lines();
        if lines.get(&self.key).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.key);
        }
    }
}
