//! The number of client ids that an account may use in an hour, and what is refused beyond it.

use engine_core::{CommandContext, ShardState};
use schemas::limits::{CLIENT_ID_GENERATION_MS, CLIENT_IDS_AN_HOUR_MAX};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, BatchRequest, Cause, ClientId, Command, CommandId, Credits, Entry, Event,
    FeeRate, Instructions, MarketId, NewOrder, PostOnly, Price, Quantity, Rejection, Scopes, Shard, Terms, TimeInForce,
    Timestamp,
};

const ACCOUNT: AccountId = AccountId(1);

/// Refused because the market does not exist: the client id refers to this refusal.
fn order(name: Option<u32>) -> NewOrder {
    let terms = Terms::Limit {
        price: Price::new(5_000).unwrap(),
        quantity: Quantity::new(1).unwrap(),
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::Off,
    };
    let (market, client_id) = (MarketId(1), name.map(|name| ClientId(name.into())));
    let (entry, fee_rate, instructions) = (Entry::BuyYes, FeeRate::ZERO, Instructions::default());
    NewOrder { account: ACCOUNT, market, entry, terms, fee_rate, client_id, instructions }
}

struct Shell {
    state: ShardState,
    offset: u64,
    time: Timestamp,
}

impl Shell {
    fn ask(&mut self, command: &Command) -> Vec<Event> {
        self.offset += 1;
        let cause = Cause { offset: self.offset, id: CommandId(u128::from(self.offset)) };
        let mut events = Vec::new();
        self.state.handle(CommandContext { cause, time: self.time }, command, &mut events);
        events
    }

    fn codes(&mut self, command: &Command) -> Vec<Rejection> {
        let events = self.ask(command);
        let codes = events.into_iter().filter_map(|event| match event {
            Event::OrderRejected { code, .. } | Event::Rejected { code } => Some(code),
            _ => None,
        });
        codes.collect()
    }

    fn place(&mut self, name: Option<u32>) -> Vec<Rejection> {
        self.codes(&Command::PlaceOrder(order(name)))
    }
}

#[test]
fn an_account_beyond_its_hourly_client_ids_is_refused_and_nothing_is_kept() {
    let state = ShardState::new(Shard::new(0).unwrap(), ShardMap::new(1).unwrap());
    let mut shell = Shell { state, offset: 0, time: Timestamp(CLIENT_ID_GENERATION_MS) };
    let key = ApiKey::with_secret(ApiKeyId(1), [0; 32], Scopes::READ_TRADE);
    shell.ask(&Command::OpenAccount { account: ACCOUNT, key });
    for name in 1..CLIENT_IDS_AN_HOUR_MAX {
        assert_eq!(shell.place(Some(name)), [Rejection::MarketUnknown]);
    }
    let (last, next) = (CLIENT_IDS_AN_HOUR_MAX, CLIENT_IDS_AN_HOUR_MAX + 1);
    let requests = [last, next].map(|name| BatchRequest::Place(order(Some(name)))).to_vec();
    let batch = |all_or_nothing| Command::Batch { account: ACCOUNT, all_or_nothing, requests: requests.clone() };
    let before = shell.state.to_bytes().len();
    assert_eq!(shell.codes(&batch(true)), [Rejection::ClientIdLimit; 2], "one too many");
    assert_eq!(shell.state.to_bytes().len(), before);
    assert_eq!(shell.codes(&batch(false)), [Rejection::MarketUnknown, Rejection::ClientIdLimit]);
    let deposit =
        Command::Deposit { account: ACCOUNT, amount: Credits(1), client_id: Some(ClientId(1)), by: AdminId(1) };
    let before = shell.state.to_bytes().len();
    assert_eq!(shell.codes(&deposit), [Rejection::ClientIdLimit]);
    assert_eq!(shell.place(Some(next)), [Rejection::ClientIdLimit]);
    assert_eq!(shell.place(None), [Rejection::MarketUnknown], "without a name");
    assert_eq!(shell.place(Some(1)), [], "a repeat");
    assert_eq!(shell.state.to_bytes().len(), before);
    shell.time.0 += CLIENT_ID_GENERATION_MS;
    assert_eq!(shell.place(Some(next)), [Rejection::MarketUnknown], "an hour later");
    assert_eq!(shell.codes(&deposit), []);
}
