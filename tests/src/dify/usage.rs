//! Tokens and prices, as Dify spells them: integers, and decimal strings of seven digits.

use serde_json::Value;

use crate::behaviour::{Dify, DifyUsage};
use crate::wire::node::{Node, object};
use crate::world::works::Counts;

/// Ten-millionths of a dollar for a token in.
const PRICE_IN: i64 = 10;
/// The same for a token out.
const PRICE_OUT: i64 = 20;
/// Ten-millionths in a dollar.
const ONE: i64 = 10_000_000;

/// `usage` of a `message_end` or of a blocking reply.
pub(crate) fn told(dify: &Dify, counts: Counts) -> Option<Node> {
    let Counts { input, output, token } = counts;
    match dify.usage {
        DifyUsage::Absent => None,
        DifyUsage::Partial => Some(object! { "total_tokens": token, "latency": latency() }),
        DifyUsage::Full => Some(object! {
            "prompt_tokens": input,
            "prompt_unit_price": "0.001",
            "prompt_price_unit": "0.001",
            "prompt_price": decimal(input.saturating_mul(PRICE_IN)),
            "completion_tokens": output,
            "completion_unit_price": "0.002",
            "completion_price_unit": "0.001",
            "completion_price": decimal(output.saturating_mul(PRICE_OUT)),
            "total_tokens": token,
            "total_price": price(dify, counts),
            "currency": currency(dify),
            "latency": latency(),
        }),
    }
}

/// `execution_metadata` of the node that asked the model.
pub(crate) fn of_node(dify: &Dify, counts: Counts) -> Node {
    object! {
        "total_tokens": counts.token,
        "total_price": price(dify, counts),
        "currency": currency(dify),
    }
}

fn price(dify: &Dify, Counts { input, output, .. }: Counts) -> Node {
    let sum = input.saturating_mul(PRICE_IN).saturating_add(output.saturating_mul(PRICE_OUT));
    let text = dify.total_price.clone().unwrap_or_else(|| decimal(sum));
    match text.parse::<f64>() {
        Ok(number) if dify.price_as_number => Node::Leaf(Value::from(number)),
        _ => text.into(),
    }
}

fn currency(dify: &Dify) -> Node {
    dify.currency.clone().unwrap_or_else(|| "USD".to_owned()).into()
}

fn latency() -> Node {
    Node::Leaf(Value::from(1.42))
}

fn decimal(ten_millionths: i64) -> String {
    let whole = ten_millionths.div_euclid(ONE);
    format!("{whole}.{:07}", ten_millionths.rem_euclid(ONE))
}
