//! Frames in both directions.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::coze::envelope::detail;
use crate::coze::fault::Fault;
use crate::wire::node::{Node, object};

/// A frame the caller sent.
#[derive(Clone, Debug)]
pub(super) struct Uplink {
    frame: Value,
}

impl Uplink {
    /// Reads a frame; one that is not JSON has no type and no data.
    pub(super) fn parse(text: &str) -> Self {
        Self { frame: serde_json::from_str(text).unwrap_or_default() }
    }

    pub(super) fn event_type(&self) -> &str {
        self.frame["event_type"].as_str().unwrap_or_default()
    }

    pub(super) fn data(&self) -> &Value {
        &self.frame["data"]
    }

    /// The data as a type.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_value(self.data().clone())
            .map_err(|error| Fault::parameter(&error.to_string()))
    }
}

/// A frame the caller gets.
#[derive(Clone, Debug)]
pub(super) struct Downlink {
    pub(super) event_type: &'static str,
    id: String,
    logid: String,
    data: Option<Node>,
}

impl Downlink {
    pub(super) fn new(
        id: String,
        logid: &str,
        event_type: &'static str,
        data: Option<Node>,
    ) -> Self {
        Self { event_type, id, logid: logid.to_owned(), data }
    }

    pub(super) fn fault(id: String, logid: &str, fault: &Fault) -> Self {
        let data = object! { "code": fault.code(), "msg": fault.msg() };
        Self::new(id, logid, "error", Some(data))
    }

    pub(super) fn text(&self) -> String {
        object! { "id": &self.id, "event_type": self.event_type }
            .and("data", self.data.clone())
            .and("detail", Some(detail(&self.logid)))
            .to_string()
    }
}
