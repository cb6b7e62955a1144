//! Macros for small wire types: ids as integers, enums with one stable code and one stable name.

/// A 64-bit id. Text form: decimal, also in JSON (as a string, since JavaScript's numbers end at
/// 2^53).
macro_rules! id64 {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, bincode::Encode, bincode::Decode)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::UnknownName;

            /// Each id has exactly one spelling: no sign, no leading zero.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::text::decimal(text).map(Self).ok_or($crate::text::UnknownName)
            }
        }
    };
}

/// A 128-bit id. Text form: a hyphenated UUID.
// Aligned like the other ids: an alignment of 16 would add 24 bytes of padding to every order and
// event that can contain one.
macro_rules! id128 {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(Rust, packed(8))]
        pub struct $name(pub u128);

        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                let id = self.0;
                id.encode(encoder)
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
                u128::decode(decoder).map(Self)
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
                bincode::Decode::decode(decoder)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid::Uuid::parse_str(text).map(|id| Self(id.as_u128()))
            }
        }
    };
}

/// An enum without fields: a code on the log, a name in JSON and SQL. Both are public and
/// append-only.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident: $repr:ty { $($(#[$vmeta:meta])* $variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr($repr)]
        pub enum $name { $($(#[$vmeta])* $variant = $code,)+ }

        impl $name {
            /// Every value, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the code on the log.
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// Returns the value with this code, if there is one.
            pub const fn from_code(code: $repr) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// Returns the name in JSON and SQL.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err($crate::text::UnknownName) }
            }
        }

        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.code().encode(encoder)
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
                Self::from_code(<$repr>::decode(decoder)?)
                    .ok_or(bincode::error::DecodeError::Other(concat!("unknown ", stringify!($name))))
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
                bincode::Decode::decode(decoder)
            }
        }
    };
}

/// A set of named bits. Bits that this build does not know are kept and have no effect here.
macro_rules! bit_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $bit:ident = $value:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, bincode::Encode, bincode::Decode)]
        pub struct $name(u8);

        impl $name {
            $($(#[$vmeta])* pub const $bit: Self = Self($value);)+
            /// All bits that this build knows.
            pub const ALL: Self = Self($($value)|+);

            const NAMED: &'static [(Self, &'static str)] = &[$((Self::$bit, stringify!($bit)),)+];

            /// Returns `None` if this build does not know one of the bits.
            pub const fn new(bits: u8) -> Option<Self> {
                if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
            }

            /// Accepts any bits, as a later build may have written them.
            pub const fn from_bits(bits: u8) -> Self {
                Self(bits)
            }

            /// Returns the bits.
            pub const fn bits(self) -> u8 {
                self.0
            }

            /// Returns the JSON names of the members that this build knows.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMED.iter().filter(move |(bit, _)| self.0 & bit.0 != 0).map(|(_, name)| *name)
            }

            /// Returns the set with these names; `None` if the list is empty, or a name is unknown
            /// or repeated.
            pub fn named(names: &[&str]) -> Option<Self> {
                let add = |bits: u8, name: &&str| {
                    let (bit, _) = Self::NAMED.iter().find(|(_, known)| known == name)?;
                    (bits & bit.0 == 0).then_some(bits | bit.0)
                };
                names.iter().try_fold(0, add).filter(|bits| *bits != 0).map(Self)
            }
        }
    };
}

/// Implements decoding with a check, for types that do not allow every value of the type that they
/// wrap.
macro_rules! checked_decode {
    ($name:ident($inner:ty)) => {
        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.0.encode(encoder)
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                Self::new(<$inner>::decode(decoder)?)
                    .ok_or(bincode::error::DecodeError::Other(concat!("out of range: ", stringify!($name))))
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                bincode::Decode::decode(decoder)
            }
        }
    };
}

/// A struct inside others that may get more fields: its length (u16) precedes it. New fields are
/// added at the end, as [`Added`](crate::frame::Added).
macro_rules! growing {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $type:ty,)+ }
    ) => {
        $(#[$meta])*
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)+ }

        impl bincode::Encode for $name {
            #[inline]
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                use bincode::enc::write::SizeWriter;
                let mut size = bincode::enc::EncoderImpl::new(SizeWriter::default(), *encoder.config());
                $(self.$field.encode(&mut size)?;)+
                let length = u16::try_from(size.into_writer().bytes_written)
                    .map_err(|_| bincode::error::EncodeError::Other(concat!("too long: ", stringify!($name))))?;
                length.encode(encoder)?;
                $(self.$field.encode(encoder)?;)+
                Ok(())
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                use bincode::de::read::{Reader as _, SliceReader};
                let length = usize::from(u16::decode(decoder)?);
                let config = *decoder.config();
                let bytes = decoder.reader().peek_read(length);
                let bytes = bytes.ok_or(bincode::error::DecodeError::UnexpectedEnd { additional: length })?;
                let mut fields = bincode::de::DecoderImpl::new(SliceReader::new(&bytes[..length]), config, ());
                let value = Self { $($field: bincode::Decode::decode(&mut fields)?,)+ };
                decoder.reader().consume(length);
                Ok(value)
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                bincode::Decode::decode(decoder)
            }
        }
    };
}

/// Like `wire_enum!`, for values that no decision depends on: a code of a later build is decoded as
/// `Unknown` and encoded again unchanged. Its name is the text given after `unknown`, followed by
/// the code.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident: $repr:ty, unknown $unknown:literal {
            $($(#[$vmeta:meta])* $variant:ident = $code:literal, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A code that this build does not know.
            Unknown($repr),
        }

        impl $name {
            /// Every value that this build knows, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the code on the log.
            pub const fn code(self) -> $repr {
                match self { $(Self::$variant => $code,)+ Self::Unknown(code) => code }
            }

            /// Returns the value with this code.
            pub const fn from_code(code: $repr) -> Self {
                match code { $($code => Self::$variant,)+ _ => Self::Unknown(code) }
            }

            /// Returns the name in JSON and SQL.
            pub fn name(self) -> std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$variant => $text.into(),)+
                    Self::Unknown(code) => format!(concat!($unknown, "{}"), code).into(),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.name())
            }
        }

        /// Parses a name. This build may know the code of an `unknown` name that an older build
        /// wrote.
        impl std::str::FromStr for $name {
            type Err = $crate::text::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => {
                        let code = text.strip_prefix($unknown).and_then(|code| code.parse().ok());
                        code.map(Self::from_code).ok_or($crate::text::UnknownName)
                    }
                }
            }
        }

        impl bincode::Encode for $name {
            fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
                self.code().encode(encoder)
            }
        }

        impl<Context> bincode::Decode<Context> for $name {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                <$repr>::decode(decoder).map(Self::from_code)
            }
        }

        impl<'de, Context> bincode::BorrowDecode<'de, Context> for $name {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                bincode::Decode::decode(decoder)
            }
        }
    };
}
