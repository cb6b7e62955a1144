//! The reference order flow, specified to the byte: deterministic, with known trades, quantity,
//! hash and SHA-256.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::baseline::Baseline;
use crate::random::Random;
use crate::{Add, Command, Tape, run};

const SEED: u64 = 20_261_122;
const PREFILL: usize = 50_000;
const COMMANDS: usize = 5_000_000;

/// The variant of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Cancel-heavy.
    A,
    /// Trade-heavy.
    B,
}

/// A flow that matches its specification.
pub struct Flow {
    pub variant: Variant,
    pub books: usize,
    /// Not timed.
    pub prefill: Vec<Command>,
    pub commands: Vec<Command>,
    /// The expected trades of the commands.
    pub expected: Tape,
}

/// (variant, books, trades, quantity, hash, first bytes of the file's SHA-256)
const KNOWN: [(Variant, usize, u64, u64, u64, [u8; 4]); 4] = [
    (Variant::A, 1, 981_259, 8_654_668, 0x3a3e_0137_d117_22bb, [0xa7, 0x8c, 0x47, 0x2a]),
    (Variant::A, 1_000, 982_653, 8_696_273, 0xc9a3_ae17_316a_5a31, [0x4a, 0x2e, 0x14, 0x90]),
    (Variant::B, 1, 2_196_549, 56_034_924, 0x6356_8207_5ef2_e1ec, [0x5c, 0xf3, 0x1a, 0x7d]),
    (Variant::B, 1_000, 2_110_532, 54_507_089, 0x7000_8858_76cc_b0d7, [0x20, 0x6f, 0x59, 0x7f]),
];

impl Flow {
    /// Generates a flow.
    ///
    /// # Panics
    /// If it does not match its specification.
    pub fn make(variant: Variant, books: usize) -> Self {
        let known =
            KNOWN.iter().find(|known| (known.0, known.1) == (variant, books)).expect("one of the specified flows");
        let flow = Maker::new(variant, books).make(COMMANDS);
        let expected = Tape { trades: known.2, quantity: known.3, hash: known.4 };
        assert_eq!(flow.expected, expected, "flow {variant:?} with {books} books trades differently");
        assert_eq!(flow.file_hash()[..4], known.5, "flow {variant:?} with {books} books has other bytes");
        flow
    }

    /// Returns only a flow's first commands: for runs under a slow instrument. The expected trades
    /// are those of the baseline.
    pub fn start(variant: Variant, books: usize, commands: usize) -> Self {
        Maker::new(variant, books).make(commands)
    }

    /// Returns the flow's first commands, for books too slow for all of them, with the trades of
    /// the baseline.
    pub fn prefix(mut self, commands: usize) -> Self {
        let mut baseline = Baseline::new(self.books);
        run(&mut baseline, &self.prefill);
        self.commands.truncate(commands);
        self.expected = run(&mut baseline, &self.commands);
        self
    }

    /// Returns its name in tables.
    pub fn name(&self) -> String {
        format!("{:?}×{}", self.variant, self.books)
    }

    fn file_hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(b"FLOWv001");
        hasher.update((self.prefill.len() as u64).to_le_bytes());
        hasher.update((self.commands.len() as u64).to_le_bytes());
        hasher.update((self.books as u32).to_le_bytes());
        let letter = if self.variant == Variant::A { b'A' } else { b'B' };
        hasher.update(u32::from(letter).to_le_bytes());
        for number in [SEED, self.expected.trades, self.expected.quantity, self.expected.hash] {
            hasher.update(number.to_le_bytes());
        }
        for command in self.prefill.iter().chain(&self.commands) {
            hasher.update(record(command));
        }
        hasher.finalize().into()
    }
}

/// Returns a command as in the specification's file.
pub fn record(command: &Command) -> [u8; 24] {
    let mut bytes = [0; 24];
    let (book, id) = match *command {
        Command::Add { book, order } => {
            bytes[1] = u8::from(!order.buy);
            bytes[2] = u8::from(order.ioc);
            bytes[16..20].copy_from_slice(&order.price.to_le_bytes());
            bytes[20..24].copy_from_slice(&order.quantity.to_le_bytes());
            (book, order.id)
        }
        Command::Cancel { book, id } => {
            bytes[0] = 1;
            (book, id)
        }
    };
    bytes[4..8].copy_from_slice(&book.to_le_bytes());
    bytes[8..16].copy_from_slice(&id.to_le_bytes());
    bytes
}

/// Returns the command of a record.
///
/// # Panics
/// If it is shorter than 24 bytes.
pub fn parse(record: &[u8]) -> Command {
    let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("4 bytes"));
    let id = u64::from_le_bytes(record[8..16].try_into().expect("8 bytes"));
    let order = Add { id, buy: record[1] == 0, ioc: record[2] == 1, price: word(16), quantity: word(20) };
    if record[0] == 0 { Command::Add { book: word(4), order } } else { Command::Cancel { book: word(4), id } }
}

struct Maker {
    variant: Variant,
    random: Random,
    market: Baseline,
    refs: Vec<i64>,
    /// Cumulative weights of the books (Zipf, s = 1).
    cdf: Vec<f64>,
    live: Live,
    next_id: u64,
    tape: Tape,
}

/// Live orders of all books, in the order that results from the specification's swap-removes.
#[derive(Default)]
struct Live {
    orders: Vec<(u32, u64)>,
    places: HashMap<u64, usize>,
}

impl Live {
    fn push(&mut self, book: u32, id: u64) {
        self.places.insert(id, self.orders.len());
        self.orders.push((book, id));
    }

    fn remove(&mut self, id: u64) {
        let place = self.places.remove(&id).expect("a live order");
        self.orders.swap_remove(place);
        if let Some((_, moved)) = self.orders.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

impl Maker {
    fn new(variant: Variant, books: usize) -> Self {
        let mut random = Random::new(SEED);
        let refs = (0..books).map(|_| if books == 1 { 5_000 } else { 1_000 + random.below(8_001) as i64 }).collect();
        let mut total = 0.0;
        let cdf = (0..books).map(|k| {
            total += 1.0 / (k as f64 + 1.0);
            total
        });
        let cdf = cdf.collect();
        let (market, live, tape) = (Baseline::new(books), Live::default(), Tape::default());
        Self { variant, random, market, refs, cdf, live, next_id: 0, tape }
    }

    fn make(mut self, commands: usize) -> Flow {
        let prefill = (0..PREFILL).map(|_| {
            let book = self.pick();
            self.passive(book)
        });
        let prefill = prefill.collect();
        let commands = (0..commands).map(|_| self.command()).collect();
        Flow { variant: self.variant, books: self.refs.len(), prefill, commands, expected: self.tape }
    }

    fn pick(&mut self) -> usize {
        if self.cdf.len() == 1 {
            return 0;
        }
        let total = self.cdf[self.cdf.len() - 1];
        let u = (self.random.next() >> 11) as f64 * 2f64.powi(-53) * total;
        self.cdf.partition_point(|&c| c <= u).min(self.cdf.len() - 1)
    }

    fn command(&mut self) -> Command {
        let book = self.pick();
        match self.random.below(512) {
            0 => self.refs[book] += 1,
            1 => self.refs[book] -= 1,
            _ => {}
        }
        self.refs[book] = self.refs[book].clamp(600, 9_400);
        let r = self.random.below(100);
        let low = self.live.orders.len() < PREFILL;
        match r {
            0..50 if self.variant == Variant::A && low => self.passive(book),
            0..50 => {
                if self.random.below(100) < 60 {
                    self.passive(book)
                } else {
                    self.cross(book)
                }
            }
            50..90 if self.live.orders.is_empty() || (self.variant == Variant::B && low) => self.passive(book),
            50..90 => self.cancel(),
            _ => self.ioc(book),
        }
    }

    fn passive(&mut self, book: usize) -> Command {
        let buy = self.random.below(2) == 0;
        let off = ((self.random.below(512) * self.random.below(512)) >> 9) as i64;
        let quantity = 1 + self.random.below(100) as u32;
        let reference = self.refs[book];
        let price = if buy {
            let below_ask = self.market.best_ask(book).map_or(i64::MAX, |ask| i64::from(ask) - 1);
            (reference - 1 - off).min(below_ask).max(1)
        } else {
            let above_bid = self.market.best_bid(book).map_or(i64::MIN, |bid| i64::from(bid) + 1);
            (reference + 1 + off).max(above_bid).min(9_999)
        };
        self.add(book, buy, price as u32, quantity, false)
    }

    fn aggressor_buys(&mut self, book: usize) -> bool {
        let reference = self.refs[book];
        if self.market.best_bid(book).is_some_and(|bid| i64::from(bid) >= reference) {
            false
        } else if self.market.best_ask(book).is_some_and(|ask| i64::from(ask) <= reference) {
            true
        } else {
            self.random.below(2) == 0
        }
    }

    fn most(&self) -> u64 {
        if self.variant == Variant::A { 20 } else { 100 }
    }

    fn cross(&mut self, book: usize) -> Command {
        let buy = self.aggressor_buys(book);
        let opposite = if buy { self.market.best_ask(book) } else { self.market.best_bid(book) };
        let Some(opposite) = opposite else { return self.passive(book) };
        let t = self.random.below(4) as u32;
        let price = if buy { (opposite + t).min(9_999) } else { opposite.saturating_sub(t).max(1) };
        let most = self.most();
        let quantity = 1 + self.random.below(most) as u32;
        self.add(book, buy, price, quantity, false)
    }

    fn ioc(&mut self, book: usize) -> Command {
        let buy = self.aggressor_buys(book);
        let most = self.most();
        let quantity = 1 + self.random.below(most) as u32;
        self.add(book, buy, if buy { 9_999 } else { 1 }, quantity, true)
    }

    fn add(&mut self, book: usize, buy: bool, price: u32, quantity: u32, ioc: bool) -> Command {
        self.next_id += 1;
        let order = Add { id: self.next_id, buy, ioc, price, quantity };
        let live = &mut self.live;
        if self.market.add_and_tell(book, order, &mut self.tape, |gone| live.remove(gone)) {
            live.push(book as u32, order.id);
        }
        Command::Add { book: book as u32, order }
    }

    fn cancel(&mut self) -> Command {
        let at = self.random.below(self.live.orders.len() as u64) as usize;
        let (book, id) = self.live.orders[at];
        self.live.remove(id);
        crate::Matcher::cancel(&mut self.market, book as usize, id);
        Command::Cancel { book, id }
    }
}
