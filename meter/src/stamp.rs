//! What a call is called in upstream's own bill.
//!
//! A call whose connection broke off before upstream named its work cannot be found again by the wire
//! (contract §3). Upstream's bill can: it repeats, in each charge, the `custom_consumer` that the request
//! named in `X-Coze-DeviceInfo` (contract §1.4, §1.7). Stamped with account and call, each charge names
//! the very call it is for.

use std::fmt;
use std::str::FromStr;

use crate::ids::{AccountId, CallId};

/// The header that upstream reads a stamp from.
pub const STAMP_HEADER: &str = "x-coze-deviceinfo";
/// Between account and call. No id of ours holds it, so a stamp reads in one way.
const SEPARATOR: char = '.';

/// A call, as upstream's bill names it: `<account>.<call>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Who pays.
    pub account: AccountId,
    /// Which call.
    pub call: CallId,
}

/// A text that is not one of our stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not `<account>.<call>`")]
pub struct NotAStamp;

impl Stamp {
    /// The value of [`STAMP_HEADER`]. The account is the device: upstream's reports by device are then
    /// reports by account.
    pub fn header_value(&self) -> String {
        // Ids hold letters, digits, `-` and `_`, so nothing has to be escaped.
        format!(r#"{{"device_id":"{}","custom_consumer":"{self}"}}"#, self.account)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.account, self.call)
    }
}

impl FromStr for Stamp {
    type Err = NotAStamp;

    fn from_str(text: &str) -> Result<Self, NotAStamp> {
        let (account, call) = text.split_once(SEPARATOR).ok_or(NotAStamp)?;
        let account = account.parse().map_err(|_| NotAStamp)?;
        let call = call.parse().map_err(|_| NotAStamp)?;
        Ok(Self { account, call })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_stamp_names_nobody() {
        for text in ["", ".", "a", "a.", ".c", "a.b.c", "a b.c", "shop 7"] {
            assert_eq!(text.parse::<Stamp>(), Err(NotAStamp), "{text:?}");
        }
    }

    #[test]
    fn the_header_is_a_json_object() {
        let stamp: Stamp = "acc_1.c0-Z".parse().unwrap();
        let header: serde_json::Value = serde_json::from_str(&stamp.header_value()).unwrap();
        let wanted = serde_json::json!({"device_id": "acc_1", "custom_consumer": "acc_1.c0-Z"});
        assert_eq!(header, wanted);
    }

    proptest! {
        #[test]
        fn a_stamp_reads_back(account in "[A-Za-z0-9_-]{1,64}", call in "[A-Za-z0-9_-]{1,64}") {
            let stamp = Stamp { account: account.parse().unwrap(), call: call.parse().unwrap() };
            prop_assert_eq!(stamp.to_string().parse::<Stamp>(), Ok(stamp));
        }
    }
}
