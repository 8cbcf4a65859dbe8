//! The models that a key may use.
//!
//! Coze has no list of what is published to an API, so these are the three names that always work, and
//! what the key is limited to. A key's list does not say whether an id is a bot's or a workflow's, so
//! each stands there under every name that the key's operations allow.
//!
//! # Bounds
//! At most [`MODELS_MAX`] models.

use serde::Serialize;

use crate::door::Reply;
use crate::door::problem::Problem;
use crate::key::Caller;
use crate::route::Operation;

use super::{BOT, WORKFLOW, WORKFLOW_ASYNC, json};

/// Most models on the page.
pub const MODELS_MAX: usize = 1_000;

#[derive(Serialize)]
struct Page<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The page of all of them.
pub fn models(caller: &Caller) -> Reply {
    let names = names(caller);
    let data = names.iter().map(|name| of_name(name)).collect();
    Reply { status: 200, body: json(&Page { object: "list", data }) }
}

/// The page of one of them.
pub fn model(caller: &Caller, name: &str) -> Reply {
    if names(caller).iter().any(|known| known == name) {
        return Reply { status: 200, body: json(&of_name(name)) };
    }
    let message = format!("the model `{}` does not exist for this key", name.escape_default());
    super::problem(&Problem { status: 404, code: "model_not_found".to_owned(), message })
}

fn names(caller: &Caller) -> Vec<String> {
    let kinds = [
        (BOT, Operation::Chat),
        (WORKFLOW, Operation::WorkflowStreamRun),
        (WORKFLOW_ASYNC, Operation::WorkflowRun),
    ];
    let kinds = kinds.into_iter().filter(|(_, operation)| caller.may(operation.name()));
    let mut names = Vec::new();
    for (kind, _) in kinds {
        names.push(kind.to_owned());
        names.extend(caller.subjects().iter().map(|subject| format!("{kind}:{subject}")));
    }
    names.truncate(MODELS_MAX);
    names
}

/// When a model was made is not known, and libraries want a number.
fn of_name(id: &str) -> Model<'_> {
    Model { id, object: "model", created: 0, owned_by: "coze" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Claims;
    use crate::time::UnixMs;

    fn listed(operations: Option<&[String]>, subjects: Option<&[String]>) -> Vec<String> {
        let claims = Claims {
            audience: crate::key::CALLER_AUDIENCE,
            account: "acc_1",
            key: "key_1",
            journal: "j0",
            expires_at: None,
            operations,
            subjects,
            limits: crate::account::Limits::default(),
            networks: None,
            session: None,
        };
        names(&Caller::from_claims(&claims, UnixMs::new(0)).unwrap())
    }

    #[test]
    fn a_key_sees_what_it_may_use() {
        assert_eq!(listed(None, None), [BOT, WORKFLOW, WORKFLOW_ASYNC]);
        let (chat, subjects) = (["chat".to_owned()], ["7490".to_owned()]);
        assert_eq!(listed(Some(&chat), Some(&subjects)), ["coze-bot", "coze-bot:7490"]);
        assert_eq!(listed(Some(&[]), None), [""; 0]);
    }

    #[test]
    fn a_page_of_models_has_its_bound() {
        let subjects: Vec<String> = (0..MODELS_MAX).map(|subject| subject.to_string()).collect();
        let chat = ["chat".to_owned()];
        // The kind itself comes before its subjects.
        assert_eq!(listed(Some(&chat), Some(&subjects)).len(), MODELS_MAX);
        assert_eq!(listed(Some(&chat), Some(&subjects[1..])).len(), MODELS_MAX);
        assert_eq!(listed(Some(&chat), Some(&subjects[2..])).len(), MODELS_MAX - 1);
    }
}
