//! Owns the ways bytes can be wrong; must not know what anybody does about it.

use std::fmt;

/// What was wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code} at byte {at}")]
pub struct Fault {
    /// Which rule was broken.
    pub code: FaultCode,
    /// Byte offset in the input the scanner was given; near the offence, for people.
    pub at: usize,
}

impl Fault {
    /// A fault of this kind at this offset.
    pub const fn new(code: FaultCode, at: usize) -> Fault {
        Fault { code, at }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Which rule bytes broke; the text is stable and is what clients and fixtures see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultCode {
            $($(#[$doc])* $name,)*
        }
        impl FaultCode {
            /// Every code.
            pub const ALL: &'static [FaultCode] = &[$(FaultCode::$name),*];
            /// The code in snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $(FaultCode::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The bytes end inside a value.
    Truncated = "truncated";
    /// A varint longer than 10 bytes, or padded with zero bytes.
    BadVarint = "bad_varint";
    /// A number above 2^53 - 1.
    NumberTooBig = "number_too_big";
    /// A number outside the range its place allows.
    OutOfRange = "out_of_range";
    /// Text that is not UTF-8.
    BadUtf8 = "bad_utf8";
    /// Bytes after the end.
    TrailingBytes = "trailing_bytes";
    /// A count above its limit, or above what the remaining bytes can hold.
    TooMany = "too_many";
    /// A string or payload above its limit.
    TooLong = "too_long";
    /// A value nested too deep.
    TooDeep = "too_deep";
    /// An empty WebSocket payload.
    EmptyMessage = "empty_message";
    /// A sync or auth message of an unknown inner type.
    BadMessage = "bad_message";
    /// A tag that no value has.
    BadTag = "bad_tag";
    /// NaN or an infinity.
    NotFinite = "not_finite";
    /// `__proto__`, `constructor` or `prototype` as a key.
    ReservedKey = "reserved_key";
    /// A kind of content Thexr does not take (text, embeds, sub-documents, moves, JSON).
    BadKind = "bad_kind";
    /// A `Uint8Array` as a component: wrap it in an object, `{"data": bytes}`.
    BinaryValue = "binary_value";
    /// A shared type other than `Y.Map`.
    BadType = "bad_type";
    /// A gap inside the update (a Skip struct): the client itself is missing edits.
    SkipBlock = "skip_block";
    /// A struct, section or value list of length zero.
    EmptyStruct = "empty_struct";
    /// A clock or a range above 2^31 - 1.
    ClockOverflow = "clock_overflow";
    /// One client in two sections, or twice in a state vector, delete set or awareness message.
    DuplicateClient = "duplicate_client";
    /// Delete ranges that overlap or run backwards.
    BadDeleteRange = "bad_delete_range";
    /// A root other than `entities` and `strokes:<entity id>`.
    BadRoot = "bad_root";
    /// A key under `entities` that is not an entity id.
    BadEntityId = "bad_entity_id";
    /// A key of an entity that is not a component name.
    BadComponentName = "bad_component_name";
    /// An item of a map without a key.
    MissingKey = "missing_key";
    /// An item of an array with a key.
    UnexpectedKey = "unexpected_key";
    /// Content of an allowed kind in a place that does not take it.
    Misplaced = "misplaced";
    /// An item whose origin, right origin or parent is itself or comes after it.
    SelfReference = "self_reference";
    /// Items that wait for each other.
    Cycle = "cycle";
    /// A parent that is not a map.
    BadParent = "bad_parent";
    /// Text that is not the JSON it should be.
    BadJson = "bad_json";
    /// A stroke of an unknown format.
    BadFormat = "bad_format";
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
