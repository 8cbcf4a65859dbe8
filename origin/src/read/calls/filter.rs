//! Which calls are asked for.

use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use meter::entry::Ending;
use meter::outcome::Source;
use meter::request::SubjectKind;
use meter::route::Operation;

use crate::error::Error;
use crate::read::days::{self, beginning};

/// Which calls are asked for; `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this account.
    pub account: Option<String>,
    /// To a subject of this kind.
    pub subject_kind: Option<SubjectKind>,
    /// To this subject.
    pub subject: Option<String>,
    /// Of this operation.
    pub operation: Option<Operation>,
    /// With this key.
    pub key: Option<String>,
    /// That ended like this.
    pub ending: Option<Ending>,
    /// Whose usage is known from there.
    pub source: Option<Source>,
    /// That finished then or later.
    pub from: Option<DateTime<Utc>>,
    /// That finished before.
    pub to: Option<DateTime<Utc>>,
    /// That cost at least so much.
    pub amount_min_nanos: Option<i64>,
}

/// The same as it is written by whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// A workflow's id.
    pub workflow: Option<String>,
    /// A bot's id.
    pub bot: Option<String>,
    /// The id of a subject of whichever kind.
    pub subject: Option<String>,
    /// An operation's name.
    pub operation: Option<String>,
    /// A key's id.
    pub key: Option<String>,
    /// An ending's name.
    pub ending: Option<String>,
    /// A source's name.
    pub source: Option<String>,
    /// A day or a point in time.
    pub from: Option<String>,
    /// The same; of a day all is meant, a point in time is not included.
    pub to: Option<String>,
    /// The zone of the days.
    pub tz: Option<String>,
    /// An amount.
    pub amount_min_nanos: Option<i64>,
}

impl Filter {
    /// The calls of an account, or of all of them, that these words mean.
    pub fn read(account: Option<String>, words: Words) -> Result<Self, Error> {
        let zone = days::zone(words.tz.as_deref())?;
        let from = words.from.as_deref().map(|text| moment("from", text, zone, false));
        let to = words.to.as_deref().map(|text| moment("to", text, zone, true));
        let (from, to) = (from.transpose()?, to.transpose()?);
        if from.is_some_and(|from| to.is_some_and(|to| from >= to)) {
            return Err(Error::invalid("from", "is not before `to`"));
        }
        let (subject_kind, subject) = match (words.workflow, words.bot, words.subject) {
            (None, None, subject) => (None, subject),
            (Some(workflow), None, None) => (Some(SubjectKind::Workflow), Some(workflow)),
            (None, Some(bot), None) => (Some(SubjectKind::Bot), Some(bot)),
            (Some(_), ..) => {
                return Err(Error::invalid("workflow", "is one subject, and another is named"));
            }
            (None, Some(_), Some(_)) => {
                return Err(Error::invalid("bot", "is one subject, and another is named"));
            }
        };
        Ok(Self {
            account,
            subject_kind,
            subject,
            operation: named("operation", words.operation.as_deref(), Operation::from_name)?,
            key: words.key,
            ending: named("ending", words.ending.as_deref(), Ending::from_name)?,
            source: named("source", words.source.as_deref(), Source::from_name)?,
            from,
            to,
            amount_min_nanos: words.amount_min_nanos,
        })
    }
}

/// What a name stands for. One that stands for nothing is refused: no call would ever match it, and the
/// empty list would look like an answer.
fn named<T>(
    field: &'static str,
    name: Option<&str>,
    find: fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(name) = name else { return Ok(None) };
    find(name).map(Some).ok_or_else(|| Error::invalid(field, "is none that there is"))
}

/// A point in time, or the beginning or the end of a day.
fn moment(field: &'static str, text: &str, zone: Tz, is_end: bool) -> Result<DateTime<Utc>, Error> {
    let wrong = || {
        Error::invalid(
            field,
            "is not a day such as 2025-11-21, or a time such as 2025-11-21T16:00:00Z",
        )
    };
    if text.len() > "2025-11-21".len() {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?.with_timezone(&Utc);
        // Only what a day can be, too, can be compared with what is stored.
        days::day(field, &time.date_naive().to_string()).map_err(|_| wrong())?;
        return Ok(time);
    }
    let day = days::day(field, text).map_err(|_| wrong())?;
    let day = if is_end { day.checked_add_days(Days::new(1)) } else { Some(day) };
    day.and_then(|day| beginning(day, zone)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: &str, to: &str, tz: &str) -> Words {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Words { from: some(from), to: some(to), tz: some(tz), ..Words::default() }
    }

    #[track_caller]
    fn refuses(words: Words, want: &str) {
        match Filter::read(None, words) {
            Err(Error::Invalid { field, .. }) => assert_eq!(field, want),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        refuses(words("2026-02-30", "", ""), "from");
        refuses(words("", "2026-02-30", ""), "to");
        refuses(words("2026-03-02", "2026-03-01", ""), "from");
        refuses(words("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", ""), "from");
        refuses(words("2026-03-01T00:00:00", "", ""), "from");
        refuses(words("99999-03-01T00:00:00Z", "", ""), "from");
        refuses(words("", "0001-01-01T00:00:00Z", ""), "to");
        refuses(words("", "", "Mars/Olympus"), "tz");
        let name = || Some("nothing".to_owned());
        refuses(Words { ending: name(), ..Words::default() }, "ending");
        refuses(Words { source: name(), ..Words::default() }, "source");
        refuses(Words { operation: name(), ..Words::default() }, "operation");
        refuses(Words { bot: name(), workflow: name(), ..Words::default() }, "workflow");
        refuses(Words { bot: name(), subject: name(), ..Words::default() }, "bot");
    }

    #[test]
    fn a_day_is_meant_whole_and_a_time_to_the_millisecond() {
        let read = |from, to, tz| {
            let filter = Filter::read(None, words(from, to, tz)).unwrap();
            [filter.from, filter.to].map(|time| time.map(crate::clock::text).unwrap_or_default())
        };
        assert_eq!(
            read("2025-11-21", "2025-11-21", "Asia/Kolkata"),
            ["2025-11-20T18:30:00.000Z", "2025-11-21T18:30:00.000Z"]
        );
        assert_eq!(
            read("2025-11-21T08:00:00.5+08:00", "", "Asia/Kolkata"),
            ["2025-11-21T00:00:00.500Z", ""]
        );
        assert_eq!(read("", "", ""), ["", ""]);
    }

    #[test]
    fn a_subject_is_named_with_its_kind_or_without() {
        let id = || Some("7480".to_owned());
        let read = |words| Filter::read(None, words).unwrap();
        let bot = read(Words { bot: id(), ..Words::default() });
        assert_eq!((bot.subject_kind, bot.subject), (Some(SubjectKind::Bot), id()));
        let any = read(Words { subject: id(), ..Words::default() });
        assert_eq!((any.subject_kind, any.subject), (None, id()));
    }
}
