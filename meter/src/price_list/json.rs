//! JSON: the document of a price book, as the API gives it. A `version` in it is passed over, since what
//! is brought in becomes a version of its own.
//!
//! Values are kept as the pieces of text they are, so that each can be told by its line.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::price::{PriceBook, Scope};
use crate::wire::book::BookDoc;

use super::problem::{Problem, Problems, Refused, plain};
use super::row::{Cells, Field, Row, Spelling};
use super::{CELL_BYTES_MAX, Gathered, PriceList, ROWS_MAX, text};

const NAMED: Spelling = Spelling::Json;
/// What a price names. The rest of it stands in its `price`.
const NAMES: [Field; 4] = [Field::Account, Field::Subject, Field::Operation, Field::Provider];
/// What is in a `price`.
const AMOUNTS: [Field; 6] =
    [Field::Kind, Field::Amount, Field::Input, Field::Output, Field::Margin, Field::Step];

/// Reads a list.
pub(super) fn read(text: &str) -> Result<PriceList, Refused> {
    let mut reading = Reading {
        text,
        known: (0, 1),
        gathered: Gathered::new(NAMED),
        problems: Problems::default(),
    };
    if let Err(problem) = reading.whole() {
        reading.problems.note(problem);
    }
    let Reading { gathered, problems, .. } = reading;
    problems.end()?;
    gathered.list()
}

/// Writes a book.
pub(super) fn write(book: &PriceBook) -> String {
    // A document of texts and numbers can always be written.
    let text = serde_json::to_string_pretty(&BookDoc::from(book)).unwrap_or_default();
    format!("{text}\n")
}

struct Reading<'a> {
    text: &'a str,
    /// A place in the text, and its line.
    known: (usize, usize),
    gathered: Gathered,
    problems: Problems,
}

impl<'a> Reading<'a> {
    fn whole(&mut self) -> Result<(), Problem> {
        let whole: Object<'a> = self.parse(self.text, "file")?;
        for (name, raw) in whole.0 {
            let line = self.line(raw.get());
            let read = match name.as_ref() {
                "version" => self.version(raw.get()),
                "deny_unpriced" => self.deny_unpriced(raw.get()),
                "groups_ppm" => self.groups(raw.get()),
                "prices" => self.prices(raw.get()),
                _ => {
                    let problem = "is no field: they are deny_unpriced, groups_ppm and prices";
                    Err(Problem::new(line, &plain(&name), problem))
                }
            };
            if let Err(problem) = read
                && !self.problems.note(problem)
            {
                break;
            }
        }
        Ok(())
    }

    fn version(&mut self, raw: &'a str) -> Result<(), Problem> {
        self.parse::<u32>(raw, "version").map(drop)
    }

    fn deny_unpriced(&mut self, raw: &'a str) -> Result<(), Problem> {
        let deny = self.parse(raw, "deny_unpriced")?;
        let line = self.line(raw);
        self.gathered.add(line, Row::DenyUnpriced(deny))
    }

    fn groups(&mut self, raw: &'a str) -> Result<(), Problem> {
        let groups: Object<'a> = self.parse(raw, "groups_ppm")?;
        for (group, ppm) in groups.0 {
            let line = self.line(ppm.get());
            let text = |field| (field == Field::Ratio).then(|| ppm.get());
            let ratio = Cells { spelling: NAMED, text, unnamed: None }.ratio(Field::Ratio);
            let row = ratio.map_err(|(_, problem)| problem).and_then(|ratio| {
                let group = group.parse().map_err(|error| format!("{error}"))?;
                Ok(Row::Ratio(group, ratio))
            });
            let field = format!("groups_ppm.{}", plain(&group));
            let row = row.map_err(|problem| Problem::new(line, &field, problem));
            if let Err(problem) = row.and_then(|row| self.gathered.add(line, row))
                && !self.problems.note(problem)
            {
                break;
            }
        }
        Ok(())
    }

    fn prices(&mut self, raw: &'a str) -> Result<(), Problem> {
        let prices: List<'a> = self.parse(raw, "prices")?;
        for (at, raw) in prices.0.into_iter().enumerate() {
            let line = self.line(raw.get());
            let row = self.price(raw.get()).map_err(|problem| {
                let field = format!("prices[{at}].{}", problem.field);
                Problem { field, ..problem }
            });
            if let Err(problem) = row.and_then(|row| self.gathered.add(line, row))
                && !self.problems.note(problem)
            {
                break;
            }
        }
        Ok(())
    }

    fn price(&mut self, raw: &'a str) -> Result<Row, Problem> {
        let mut cells: BTreeMap<Field, Cow<'a, str>> = BTreeMap::new();
        let named: Object<'a> = self.parse(raw, "row")?;
        let mut price = None;
        for (name, raw) in named.0 {
            match NAMES.into_iter().find(|field| NAMED.name(*field) == name) {
                Some(field) => drop(cells.insert(field, self.text(raw.get(), &name)?)),
                None if name == "price" => price = Some(raw.get()),
                None => return Err(self.unknown(&name, raw)),
            }
        }
        let price = price.ok_or_else(|| Problem::new(self.line(raw), "price", "is missing"))?;
        let within =
            |problem: Problem| Problem { field: format!("price.{}", problem.field), ..problem };
        for (name, raw) in self.parse::<Object<'a>>(price, "price")?.0 {
            match AMOUNTS.into_iter().find(|field| NAMED.name(*field) == name) {
                Some(Field::Kind) => {
                    let kind = self.text(raw.get(), &name).map_err(within)?;
                    cells.insert(Field::Kind, kind);
                }
                Some(field) => drop(cells.insert(field, raw.get().into())),
                None => return Err(within(self.unknown(&name, raw))),
            }
        }
        let text = |field: Field| cells.get(&field).map(AsRef::as_ref);
        let cells = Cells { spelling: NAMED, text, unnamed: Some(&Scope::Coze) };
        let row = || Ok(Row::Price(cells.scope()?, cells.whole_price()?));
        row().map_err(|(field, problem)| {
            let problem = Problem::new(self.line(price), NAMED.name(field), problem);
            if NAMES.contains(&field) { problem } else { within(problem) }
        })
    }

    fn unknown(&mut self, name: &str, raw: &RawValue) -> Problem {
        Problem::new(self.line(raw.get()), &plain(name), "is no field of a price")
    }

    /// A text that says something.
    fn text(&mut self, raw: &'a str, name: &str) -> Result<Cow<'a, str>, Problem> {
        let Text(text) = self.parse(raw, name)?;
        let problem = match text.len() {
            0 => "is empty".to_owned(),
            1..=CELL_BYTES_MAX => return Ok(text),
            _ => format!("has more than {CELL_BYTES_MAX} bytes"),
        };
        Err(Problem::new(self.line(raw), name, problem))
    }

    /// A piece of the text as what it has to be.
    fn parse<T: Deserialize<'a>>(&mut self, raw: &'a str, field: &str) -> Result<T, Problem> {
        serde_json::from_str(raw).map_err(|error| {
            let line = self.line(raw).saturating_add(error.line()).saturating_sub(1);
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or_default();
            Problem::new(line, field, format_args!("cannot be read: {problem}"))
        })
    }

    /// The line of a piece of the text, counted from where the last one was.
    fn line(&mut self, raw: &str) -> usize {
        let at = raw.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let (known, line) = self.known;
        let ends = |from: usize, to: usize| {
            text::ends(self.text.as_bytes().get(from..to).unwrap_or_default())
        };
        let line = line.saturating_add(ends(known, at)).saturating_sub(ends(at, known));
        self.known = (at, line);
        line
    }
}

/// A text, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object as the pieces of text that it is made of, each name once.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut fields, mut names) = (Vec::new(), BTreeSet::new());
                while let Some((Text(name), raw)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    if fields.len() >= ROWS_MAX {
                        return Err(A::Error::custom(format_args!("more than {ROWS_MAX} fields")));
                    }
                    if !names.insert(name.clone()) {
                        let name = plain(&name);
                        return Err(A::Error::custom(format_args!("`{name}` is there twice")));
                    }
                    fields.push((name, raw));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A list as the pieces of text that it is made of.
struct List<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;

        impl<'de> Visitor<'de> for Items {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(raw) = list.next_element()? {
                    if items.len() >= ROWS_MAX {
                        return Err(A::Error::custom(format_args!("more than {ROWS_MAX} rows")));
                    }
                    items.push(raw);
                }
                Ok(List(items))
            }
        }

        deserializer.deserialize_seq(Items)
    }
}
