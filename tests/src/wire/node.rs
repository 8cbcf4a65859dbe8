//! JSON whose keys keep the order they were written in.
//!
//! The contract's samples are compared byte for byte, and one switch shuffles keys, so order is part
//! of what is said. Fields that come and go with a behaviour are pushed or not.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Leaf(Value),
    List(Vec<Node>),
    Object(Vec<(&'static str, Node)>),
    /// Text that is no JSON, written as it is.
    Raw(String),
}

impl Node {
    /// The object with one more member behind the others, if there is something to add.
    #[must_use]
    pub(crate) fn and(mut self, key: &'static str, value: Option<impl Into<Self>>) -> Self {
        if let (Self::Object(members), Some(value)) = (&mut self, value) {
            members.push((key, value.into()));
        }
        self
    }

    /// The object followed by the members of another one.
    #[must_use]
    pub(crate) fn joined(mut self, other: Self) -> Self {
        if let (Self::Object(members), Self::Object(more)) = (&mut self, other) {
            members.extend(more);
        }
        self
    }

    /// The member of this name.
    pub(crate) fn member(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Shows every member of every object, with its key.
    pub(crate) fn visit(&mut self, show: &mut impl FnMut(&'static str, &mut Self)) {
        match self {
            Self::Leaf(_) | Self::Raw(_) => {}
            Self::List(items) => items.iter_mut().for_each(|item| item.visit(show)),
            Self::Object(members) => {
                for (key, value) in members {
                    show(key, value);
                    value.visit(show);
                }
            }
        }
    }

    /// The same value with the keys of every object in an order drawn from `order`.
    pub(crate) fn shuffle(&mut self, order: &mut fastrand::Rng) {
        match self {
            Self::Leaf(_) | Self::Raw(_) => {}
            Self::List(items) => {
                for item in items {
                    item.shuffle(order);
                }
            }
            Self::Object(members) => {
                order.shuffle(members);
                for (_, value) in members {
                    value.shuffle(order);
                }
            }
        }
    }
}

/// Compact JSON.
impl Display for Node {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(value) => write!(out, "{value}"),
            Self::Raw(text) => out.write_str(text),
            Self::List(items) => {
                out.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(out, "{comma}{item}")?;
                }
                out.write_str("]")
            }
            Self::Object(members) => {
                out.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(out, "{comma}\"{key}\":{value}")?;
                }
                out.write_str("}")
            }
        }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::Leaf(value)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Leaf(text.into())
    }
}

impl From<&String> for Node {
    fn from(text: &String) -> Self {
        Self::Leaf(text.as_str().into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Leaf(text.into())
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Self {
        Self::Leaf(number.into())
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Leaf(number.into())
    }
}

impl From<bool> for Node {
    fn from(truth: bool) -> Self {
        Self::Leaf(truth.into())
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

/// An object with its members in the order written. Keys are literals that need no escaping.
macro_rules! object {
    ($($key:literal: $value:expr),* $(,)?) => {
        $crate::wire::node::Node::Object(vec![$(($key, $crate::wire::node::Node::from($value))),*])
    };
}
pub(crate) use object;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_optional_members_come_and_go() {
        let node = object! { "b": 1_i64, "a": "x\n" }
            .and("c", None::<bool>)
            .and("d", Some(Node::List(vec![object! {}, Node::Leaf(Value::Null)])));
        assert_eq!(node.to_string(), r#"{"b":1,"a":"x\n","d":[{},null]}"#);
    }

    #[test]
    fn shuffling_changes_the_order_and_nothing_else() {
        let node = object! { "a": 1_i64, "b": 2_i64, "c": 3_i64, "d": object! { "e": 4_i64 } };
        let mut shuffled = node.clone();
        shuffled.shuffle(&mut fastrand::Rng::with_seed(7));
        assert_ne!(shuffled.to_string(), node.to_string());
        let parse = |node: &Node| serde_json::from_str::<Value>(&node.to_string()).unwrap();
        assert_eq!(parse(&shuffled), parse(&node));
    }
}
