//! Transfers with a client id that have left their sender's purse and have not ended, at the
//! sender's home.

use std::collections::BTreeMap;

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::{AccountId, ClientId, CommandId, Credits};

use crate::hash::FieldBuffer;

/// The sender, and its client id for the transfer.
pub type TransferName = (AccountId, ClientId);

/// An open transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OpenTransfer {
    /// The command that started it, and that its end answers.
    pub command: CommandId,
    /// The receiver.
    pub to: AccountId,
    /// The amount.
    pub amount: Credits,
}

/// All open transfers. There are many while the home of many receivers is down.
#[derive(Clone, Debug, Default)]
pub struct Transfers {
    all: BTreeMap<TransferName, OpenTransfer>,
    /// The sum of their hashes.
    sum: u64,
}

impl Transfers {
    /// Returns the open transfer with this name.
    pub fn get(&self, name: TransferName) -> Option<&OpenTransfer> {
        self.all.get(&name)
    }

    /// Returns the number of an account's open transfers.
    pub fn count(&self, account: AccountId) -> usize {
        self.all.range((account, ClientId(0))..=(account, ClientId(u128::MAX))).count()
    }

    /// Returns the names of all open transfers.
    pub fn names(&self) -> impl Iterator<Item = TransferName> {
        self.all.keys().copied()
    }

    pub fn begin(&mut self, name: TransferName, transfer: OpenTransfer) {
        self.sum = self.sum.wrapping_add(FieldBuffer::default().transfer(name, &transfer));
        let before = self.all.insert(name, transfer);
        assert!(before.is_none(), "transfer {} of {} began twice", name.1, name.0);
    }

    pub fn end(&mut self, name: TransferName) -> OpenTransfer {
        let transfer =
            self.all.remove(&name).unwrap_or_else(|| panic!("transfer {} of {} is not under way", name.1, name.0));
        self.sum = self.sum.wrapping_sub(FieldBuffer::default().transfer(name, &transfer));
        transfer
    }

    /// Returns the sum of the hashes of all open transfers.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

impl Encode for Transfers {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.all.encode(encoder)
    }
}

impl<C> Decode<C> for Transfers {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let all: BTreeMap<TransferName, OpenTransfer> = Decode::decode(decoder)?;
        let mut transfers = Self::default();
        all.into_iter().for_each(|(name, transfer)| transfers.begin(name, transfer));
        Ok(transfers)
    }
}

impl<'de, C> BorrowDecode<'de, C> for Transfers {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}
