//! What usage looks like on the wire: the order of its keys by path, its form by behaviour.

use crate::behaviour::UsageForm;
use crate::wire::node::{Node, object};
use crate::world::works::Counts;

/// In which order a path spells the three counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Chat,
    Chatflow,
    Workflow,
}

/// The members that tell a usage, to be joined to the object that carries it; none if it is absent.
pub(crate) fn told(form: UsageForm, order: Order, counts: Counts) -> Node {
    let Counts { input, output, token } = counts;
    match form {
        UsageForm::Absent => object! {},
        UsageForm::Token => object! { "token": token, "cost": "0" },
        UsageForm::Object => usage(order, COUNT_KEYS, counts, Node::from),
        UsageForm::Zero => usage(order, COUNT_KEYS, Counts::default(), Node::from),
        UsageForm::Strings => usage(order, COUNT_KEYS, counts, |count| count.to_string().into()),
        UsageForm::Aliases => {
            usage(order, ["input_tokens", "output_tokens", "token_count"], counts, Node::from)
        }
        UsageForm::OpenaiAliases => object! { "usage": object! {
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": token,
        } },
    }
}

/// The members that tell that nothing is known yet: zeros.
pub(crate) fn untold(form: UsageForm, order: Order) -> Node {
    match form {
        UsageForm::Absent | UsageForm::Token => object! {},
        _ => usage(order, COUNT_KEYS, Counts::default(), Node::from),
    }
}

const COUNT_KEYS: [&str; 3] = ["input_count", "output_count", "token_count"];

fn usage(
    order: Order,
    [input, output, token]: [&'static str; 3],
    counts: Counts,
    spell: impl Fn(i64) -> Node,
) -> Node {
    let input = (input, spell(counts.input));
    let output = (output, spell(counts.output));
    let token = (token, spell(counts.token));
    let members = match order {
        Order::Chat => vec![token, output, input],
        Order::Chatflow => vec![input, token, output],
        Order::Workflow => vec![input, output, token],
    };
    object! { "usage": Node::Object(members) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(form: UsageForm, order: Order, expect: &str) {
        let counts = Counts { input: 100, output: 40, token: 140 };
        assert_eq!(told(form, order, counts).to_string(), expect);
    }

    #[test]
    fn every_form_is_spelt_as_the_contract_says() {
        let full = r#"{"usage":{"token_count":140,"output_count":40,"input_count":100}}"#;
        check(UsageForm::Object, Order::Chat, full);
        let full = r#"{"usage":{"input_count":100,"token_count":140,"output_count":40}}"#;
        check(UsageForm::Object, Order::Chatflow, full);
        let full = r#"{"usage":{"input_count":100,"output_count":40,"token_count":140}}"#;
        check(UsageForm::Object, Order::Workflow, full);
        check(UsageForm::Absent, Order::Chat, "{}");
        check(UsageForm::Token, Order::Workflow, r#"{"token":140,"cost":"0"}"#);
        let zeros = r#"{"usage":{"input_count":0,"output_count":0,"token_count":0}}"#;
        check(UsageForm::Zero, Order::Workflow, zeros);
        let strings = r#"{"usage":{"input_count":"100","output_count":"40","token_count":"140"}}"#;
        check(UsageForm::Strings, Order::Workflow, strings);
        let aliases = r#"{"usage":{"token_count":140,"output_tokens":40,"input_tokens":100}}"#;
        check(UsageForm::Aliases, Order::Chat, aliases);
        let openai = r#"{"usage":{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140}}"#;
        check(UsageForm::OpenaiAliases, Order::Chat, openai);
    }
}
