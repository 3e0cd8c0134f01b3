//! Owns the names of things (spaces, entities, components, sequence numbers); must not know where they live.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest space id, entity id and component name, in bytes (all three are ASCII).
pub const NAME_BYTES_MAX: usize = 64;

/// A name that breaks its rule. The message is one line and never echoes the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not `^[a-z0-9][a-z0-9_-]{0,63}$`.
    #[error("a space id is 1 to 64 of a-z 0-9 _ -, starting with a letter or digit")]
    Space,
    /// Not 1 to 64 of `[A-Za-z0-9_-]`.
    #[error("an entity id is 1 to 64 of A-Z a-z 0-9 _ -")]
    Entity,
}

/// The id of a space: `^[a-z0-9][a-z0-9_-]{0,63}$` (SPEC D1). Safe in a URL path and as a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpaceId(Arc<str>);

/// The id of an entity: 1 to 64 of `[A-Za-z0-9_-]` (SPEC D2); random by default (21-character nanoid).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntityId(Arc<str>);

impl SpaceId {
    /// True when `name` follows the rule.
    pub fn is_valid(name: &str) -> bool {
        let first_ok = name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest_ok = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        first_ok && rest_ok && name.len() <= NAME_BYTES_MAX
    }
}

impl EntityId {
    /// True when `name` follows the rule. `__proto__`, `constructor` and `prototype` are refused: an entity id
    /// becomes an object key in browsers.
    pub fn is_valid(name: &str) -> bool {
        let chars_ok = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        chars_ok && !name.is_empty() && name.len() <= NAME_BYTES_MAX && !is_reserved_key(name)
    }
}

/// True when `name` may name a component: 1 to 64 of `[A-Za-z0-9_.:-]`, and not a reserved key (SPEC D3).
pub fn component_name_ok(name: &str) -> bool {
    let chars_ok = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'));
    chars_ok && !name.is_empty() && name.len() <= NAME_BYTES_MAX && !is_reserved_key(name)
}

/// True for the object keys that reach a JavaScript prototype; they are refused everywhere a key can stand.
pub fn is_reserved_key(key: &str) -> bool {
    matches!(key, "__proto__" | "constructor" | "prototype")
}

macro_rules! text_id {
    ($id:ident, $bad:expr) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl $id {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $id {
            type Err = BadId;
            fn from_str(name: &str) -> Result<Self, BadId> {
                if $id::is_valid(name) {
                    Ok($id(Arc::from(name)))
                } else {
                    Err($bad)
                }
            }
        }
        impl TryFrom<String> for $id {
            type Error = BadId;
            fn try_from(name: String) -> Result<Self, BadId> {
                name.parse()
            }
        }
        impl TryFrom<&str> for $id {
            type Error = BadId;
            fn try_from(name: &str) -> Result<Self, BadId> {
                name.parse()
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

text_id!(SpaceId, BadId::Space);
text_id!(EntityId, BadId::Entity);

/// The number of an event in its space, shared by updates, joins, leaves and compactions. The first is 1; 0
/// means "before everything". `i64` because that is what both databases store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub i64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);

    /// The number that follows; stays at the top instead of wrapping.
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC D1.
    #[test]
    fn space_ids_follow_their_rule() {
        let long = "a".repeat(64);
        for good in ["a", "0", "lobby", "a_b-c", "9-", long.as_str()] {
            assert!(good.parse::<SpaceId>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            "LOBBY",
            "-a",
            "_a",
            "a b",
            "a/b",
            "..",
            "ｌobby",
            "a\0",
            "a\u{202e}",
            too_long.as_str(),
        ] {
            assert_eq!(bad.parse::<SpaceId>(), Err(BadId::Space), "{bad:?}");
        }
    }

    /// SPEC D2.
    #[test]
    fn entity_ids_follow_their_rule() {
        for good in ["A", "box_1", "-", "V1StGXR8_Z5jdHi6B-myT"] {
            assert!(good.parse::<EntityId>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in [
            "",
            "a.b",
            "a:b",
            "é",
            "__proto__",
            "constructor",
            too_long.as_str(),
        ] {
            assert_eq!(bad.parse::<EntityId>(), Err(BadId::Entity), "{bad:?}");
        }
    }

    /// SPEC D3.
    #[test]
    fn component_names_follow_their_rule() {
        for good in ["transform", "my.app:thing-1", "A_b"] {
            assert!(component_name_ok(good), "{good}");
        }
        for bad in ["", "__proto__", "constructor", "prototype", "a b", "a/b", "é"] {
            assert!(!component_name_ok(bad), "{bad}");
        }
    }

    #[test]
    fn ids_are_strings_in_json_and_are_checked() {
        let id: SpaceId = serde_json::from_str("\"lobby\"").expect("valid id");
        assert_eq!(serde_json::to_string(&id).expect("a string"), "\"lobby\"");
        assert!(serde_json::from_str::<SpaceId>("\"LOBBY\"").is_err());
        assert_eq!(serde_json::to_string(&Seq(7)).expect("a number"), "7");
    }
}
