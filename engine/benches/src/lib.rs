//! The reference order flow, the books that run it, and the baseline to which every figure is a
//! ratio.

pub mod baseline;
pub mod flow;
pub mod heaps;
pub mod law;
pub mod ours;
pub mod random;
pub mod report;

/// A book under test. Ids are unique; a cancel names a live order.
pub trait Matcher {
    /// Adds a limit order to a book; `ioc` drops what does not match at once. Trades are added to
    /// `tape`.
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape);
    /// Cancels a live order.
    fn cancel(&mut self, book: usize, id: u64);
    /// Announces what comes after the next command; most books ignore it.
    #[inline]
    fn look_ahead(&mut self, _behind: &[Command]) {}
}

/// A limit order.
#[derive(Clone, Copy, Debug)]
pub struct Add {
    pub id: u64,
    pub buy: bool,
    pub ioc: bool,
    pub price: u32,
    pub quantity: u32,
}

/// The totals of the trades of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tape {
    pub trades: u64,
    pub quantity: u64,
    pub hash: u64,
}

impl Tape {
    #[inline]
    pub fn trade(&mut self, maker: u64, taker: u64, price: u32, quantity: u32) {
        let mix = maker
            .wrapping_add(taker.wrapping_mul(31))
            .wrapping_add(u64::from(price).wrapping_mul(131))
            .wrapping_add(u64::from(quantity).wrapping_mul(1031));
        self.trades += 1;
        self.quantity += u64::from(quantity);
        self.hash = (self.hash.rotate_left(5) ^ mix).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// One command of the flow.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    Add { book: u32, order: Add },
    Cancel { book: u32, id: u64 },
}

/// Runs commands and returns the trades' totals.
pub fn run(matcher: &mut impl Matcher, commands: &[Command]) -> Tape {
    let mut tape = Tape::default();
    for (at, command) in commands.iter().enumerate() {
        matcher.look_ahead(&commands[at..]);
        match *command {
            Command::Add { book, order } => matcher.add(book as usize, order, &mut tape),
            Command::Cancel { book, id } => matcher.cancel(book as usize, id),
        }
    }
    tape
}
