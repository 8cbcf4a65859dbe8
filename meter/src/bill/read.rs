//! Reading records: from a callback's JSON, or from the fields of a row in a file.
//!
//! Both carry the same names (contract §1.7), and a file writes every value as text, so a field is taken
//! as its text in either case. What is missing and not needed is absent; what is there and makes no sense
//! is an error that names the field, because a record that is half understood would be half a charge.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, TEXT_BYTES_MAX};
use crate::time::UnixMs;

/// The event of a charge, in a callback's header.
pub const EVENT_USAGE: &str = "benefit.usage";
/// From here on a number of seconds would be beyond the year 5000, so it is milliseconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// A field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct FieldError {
    /// Which one, as the record calls it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

fn error(field: &'static str, problem: impl Into<String>) -> FieldError {
    FieldError { field, problem: problem.into() }
}

/// What a callback tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// A charge.
    Usage(Box<Record>),
    /// An event that is none of the bill's.
    Other(String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    header: Option<Header>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    event_type: Option<String>,
}

/// Reads a callback's body. One without a header is taken for a charge, as its event then has to prove.
pub fn callback(body: &[u8]) -> Result<Callback, FieldError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|_| error("body", "is not a JSON object"))?;
    let kind = envelope.header.and_then(|header| header.event_type);
    if let Some(kind) = kind.filter(|kind| kind != EVENT_USAGE) {
        let end = kind.floor_char_boundary(TEXT_BYTES_MAX);
        return Ok(Callback::Other(kind.get(..end).unwrap_or_default().to_owned()));
    }
    let event = envelope.event.ok_or_else(|| error("event", "is missing"))?;
    json(event.get()).map(|record| Callback::Usage(Box::new(record)))
}

/// Reads a line of JSON: a record, or a whole callback.
pub fn line(text: &str) -> Result<Callback, FieldError> {
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|_| error("line", "is not a JSON object"))?;
    if envelope.event.is_some() {
        return callback(text.as_bytes());
    }
    json(text).map(|record| Callback::Usage(Box::new(record)))
}

fn json(text: &str) -> Result<Record, FieldError> {
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| error("event", "is not a JSON object"))?;
    let scalar = |raw: &&RawValue| -> String {
        serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
    };
    record(|name| fields.get(name).filter(|raw| raw.get() != "null").map(scalar))
}

/// Reads a record from its fields, each asked for by its name.
pub fn record(field: impl Fn(&str) -> Option<String>) -> Result<Record, FieldError> {
    let fields = Fields(field);
    Ok(Record {
        id: fields.text("id")?.ok_or_else(|| error("id", "is missing"))?,
        consumed_at: fields.time("consume_time")?,
        root: fields.text("record_root_id")?,
        connector: fields.text("connector_id")?,
        connector_user: fields.text("connector_uid")?,
        device: fields.text("device_id")?,
        consumer: fields.text("custom_consumer")?,
        space: fields.text("space_id")?,
        cost_account: fields.text("cost_account_id")?,
        entity_kind: fields.number("root_entity_type")?,
        entity: fields.text("root_entity_id")?,
        change: fields.decimal("change_balance")?,
        balance_kind: fields.number("balance_type")?,
        resource_kind: fields
            .number("resource_type")?
            .ok_or_else(|| error("resource_type", "is missing"))?,
        resource: fields.text("resource_id")?,
        model: fields.text("model_id")?,
        input_tokens: fields.count("model_input_token")?,
        output_tokens: fields.count("model_output_token")?,
        tts_characters: fields.count("tts_char_num")?,
        tts_count: fields.count("tts_count")?,
        asr_ms: fields.count("asr_audio_length")?,
        rtc_ms: fields.count("rtc_duration")?,
    })
}

struct Fields<F>(F);

impl<F: Fn(&str) -> Option<String>> Fields<F> {
    /// A text; one with nothing in it is absent.
    fn text(&self, name: &'static str) -> Result<Option<String>, FieldError> {
        let Some(text) = (self.0)(name) else { return Ok(None) };
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(error(name, format!("is longer than {TEXT_BYTES_MAX} bytes")));
        }
        // Also what Postgres would not keep.
        if text.chars().any(char::is_control) {
            return Err(error(name, "holds a control character"));
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    /// A whole number that is not negative and fits where it is stored.
    fn number(&self, name: &'static str) -> Result<Option<u64>, FieldError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let fits = |number: &u64| i64::try_from(*number).is_ok();
        let number = text.parse().ok().filter(fits);
        let problem = || error(name, format!("{text:?} is not a whole number from 0 on"));
        number.map(Some).ok_or_else(problem)
    }

    /// A count; absent is none.
    fn count(&self, name: &'static str) -> Result<u64, FieldError> {
        Ok(self.number(name)?.unwrap_or_default())
    }

    /// A time, in seconds or milliseconds since 1970.
    fn time(&self, name: &'static str) -> Result<UnixMs, FieldError> {
        let number = self.number(name)?.ok_or_else(|| error(name, "is missing"))?;
        let ms = if number < MILLISECONDS_FROM { number.saturating_mul(1_000) } else { number };
        if number == 0 || ms >= MILLISECONDS_FROM.saturating_mul(1_000) {
            return Err(error(name, format!("{number} is not a time")));
        }
        Ok(UnixMs::new(ms))
    }

    /// A decimal number, kept as its digits: nobody here calculates with it.
    fn decimal(&self, name: &'static str) -> Result<Option<String>, FieldError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |part: &str| {
            !part.is_empty() && part.len() <= 30 && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if are_digits(whole) && are_digits(part) {
            return Ok(Some(text));
        }
        Err(error(name, format!("{text:?} is not a decimal number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A callback like the documented one (contract §1.7), with this event.
    fn told(event: &str) -> String {
        format!(
            r#"{{"header":{{"event_type":"benefit.usage","event_id":"e1","created_at":1749042145635}},"event":{event}}}"#
        )
    }

    const EVENT: &str = r#"{"id":"b1","consume_time":1749042145,"record_root_id":"24","connector_id":"1024",
        "device_id":"","custom_consumer":"acc_1.c1","root_entity_id":"7480","root_entity_type":2,
        "change_balance":"0.16","balance_type":2,"resource_type":1,"model_output_token":62,
        "model_input_token":42,"model_id":"17","rtc_begin_time":0,"an_unknown_field":{"x":1}}"#;

    fn read(event: &str) -> Result<Record, FieldError> {
        match callback(told(event).as_bytes())? {
            Callback::Usage(record) => Ok(*record),
            other @ Callback::Other(_) => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(field: &str, event: &str) {
        assert_eq!(read(event).unwrap_err().field, field, "{event}");
    }

    #[test]
    fn a_charge_is_read_with_the_call_it_is_for() {
        let record = read(EVENT).unwrap();
        assert_eq!((record.id.as_str(), record.tokens()), ("b1", (42, 62)));
        assert_eq!(record.consumed_at, UnixMs::new(1_749_042_145_000));
        assert_eq!(record.change.as_deref(), Some("0.16"));
        assert_eq!((record.device.as_deref(), record.tts_count), (None, 0));
        assert_eq!(record.stamp().unwrap().call.as_str(), "c1");
        let unstamped = EVENT.replace("acc_1.c1", "a shop");
        assert_eq!(read(&unstamped).unwrap().stamp(), None);
    }

    #[test]
    fn a_row_of_texts_is_the_same_record() {
        let texts: BTreeMap<&str, &str> = [
            ("id", "b1"),
            ("consume_time", "1749042145000"),
            ("record_root_id", "24"),
            ("connector_id", "1024"),
            ("custom_consumer", "acc_1.c1"),
            ("root_entity_id", "7480"),
            ("root_entity_type", "2"),
            ("change_balance", "0.16"),
            ("balance_type", "2"),
            ("resource_type", "1"),
            ("model_output_token", " 62 "),
            ("model_input_token", "42"),
            ("model_id", "17"),
            ("tts_count", ""),
        ]
        .into();
        let row = record(|name| texts.get(name).map(|text| (*text).to_owned()));
        assert_eq!(row, read(EVENT));
        assert_eq!(line(EVENT).unwrap(), Callback::Usage(Box::new(row.unwrap())));
        let whole = told(EVENT).replace('\n', " ");
        assert_eq!(line(&whole).unwrap(), line(EVENT).unwrap());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_field() {
        refused("id", r#"{"consume_time":1749042145,"resource_type":1}"#);
        refused("consume_time", r#"{"id":"b1","resource_type":1}"#);
        refused("consume_time", r#"{"id":"b1","consume_time":0,"resource_type":1}"#);
        refused("resource_type", r#"{"id":"b1","consume_time":1749042145}"#);
        let with =
            |field: &str, value: &str| EVENT.replacen('{', &format!(r#"{{"{field}":{value},"#), 1);
        refused("tts_char_num", &with("tts_char_num", "-1"));
        refused("tts_char_num", &with("tts_char_num", "1.5"));
        refused("tts_char_num", &with("tts_char_num", "9223372036854775808"));
        refused("asr_audio_length", &with("asr_audio_length", "[]"));
        refused("space_id", &with("space_id", r#""a\u0000b""#));
        let long = |bytes: usize| with("space_id", &format!("\"{}\"", "x".repeat(bytes)));
        assert!(read(&long(TEXT_BYTES_MAX)).is_ok());
        refused("space_id", &long(TEXT_BYTES_MAX + 1));
        let change = |text: &str| EVENT.replace("0.16", text);
        for bad in ["1e3", "--1", ".", "1.", "1,5", "NaN"] {
            refused("change_balance", &change(bad));
        }
        assert!(read(&change("-12")).is_ok());
        for bad in
            ["", "[]", "7", r#"{"header":{"event_type":"benefit.usage"}}"#, r#"{"event":[]}"#]
        {
            assert!(callback(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn events_of_other_kinds_are_no_charge() {
        let other = r#"{"header":{"event_type":"bot.published"},"event":{"bot_id_str":1}}"#;
        assert_eq!(callback(other.as_bytes()), Ok(Callback::Other("bot.published".to_owned())));
        let named = |kind: &str| format!(r#"{{"header":{{"event_type":"{kind}"}}}}"#);
        // A character of three bytes is kept whole or not at all.
        for (kind, kept) in [("x", TEXT_BYTES_MAX), ("你", TEXT_BYTES_MAX - TEXT_BYTES_MAX % 3)] {
            let long = named(&kind.repeat(TEXT_BYTES_MAX + 1));
            let Ok(Callback::Other(kind)) = callback(long.as_bytes()) else { panic!("{long}") };
            assert_eq!(kind.len(), kept);
        }
    }
}
