//! What a call asks for, as part of the documents that carry it.

use serde::{Deserialize, Serialize};

use crate::request::{Asked, Subject, SubjectKind};
use crate::route::Operation;

use super::{WireError, named, parse, parse_optional};

/// A billable request, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Asked`, spelled out")]
pub struct AskedDoc {
    pub operation: String,
    pub subject_kind: String,
    pub subject: String,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub units: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
}

fn one() -> u64 {
    1
}

#[cfg_attr(
    not(target_family = "wasm"),
    expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")
)]
fn is_one(units: &u64) -> bool {
    *units == 1
}

impl From<&Asked> for AskedDoc {
    fn from(asked: &Asked) -> Self {
        let Asked { operation, subject: Subject { kind, id }, units, resumes } = asked;
        Self {
            operation: operation.name().to_owned(),
            subject_kind: kind.name().to_owned(),
            subject: id.to_string(),
            units: *units,
            resumes: resumes.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<&AskedDoc> for Asked {
    type Error = WireError;

    fn try_from(doc: &AskedDoc) -> Result<Self, WireError> {
        let AskedDoc { operation, subject_kind, subject, units, resumes } = doc;
        Ok(Self {
            operation: named("operation", operation, Operation::from_name)?,
            subject: Subject {
                kind: named("subject_kind", subject_kind, SubjectKind::from_name)?,
                id: parse("subject", subject)?,
            },
            units: *units,
            resumes: parse_optional("resumes", resumes.as_deref())?,
        })
    }
}
