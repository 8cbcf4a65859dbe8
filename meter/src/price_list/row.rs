//! One row: what it is for, and how much. The same rules for both formats, which differ in how they
//! spell fields and in the unit of amounts.

use crate::ids::Group;
use crate::money::{
    AmountError, NANOS_PER_POINT, NANOS_PER_QUOTA, Nanos, PPM, Ratio, parse_decimal,
};
use crate::price::bound::AMOUNT_MAX;
use crate::price::{Price, Scope};
use crate::route::{Operation, Provider};

use super::problem::quoted;

/// What a cell is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Account,
    Subject,
    Operation,
    Provider,
    Group,
    Kind,
    Amount,
    Input,
    Output,
    Margin,
    Step,
    Ratio,
    Note,
}

impl Field {
    pub(super) const ALL: [Self; 13] = [
        Self::Account,
        Self::Subject,
        Self::Operation,
        Self::Provider,
        Self::Group,
        Self::Kind,
        Self::Amount,
        Self::Input,
        Self::Output,
        Self::Margin,
        Self::Step,
        Self::Ratio,
        Self::Note,
    ];

    /// What says how much.
    const AMOUNTS: [Self; 6] =
        [Self::Amount, Self::Input, Self::Output, Self::Margin, Self::Step, Self::Ratio];
}

/// How a format spells things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Amounts are decimals in quota, factors are decimals.
    Csv,
    /// Amounts are whole nanos, factors whole parts per million.
    Json,
}

impl Spelling {
    pub(super) const fn name(self, field: Field) -> &'static str {
        match (field, self) {
            (Field::Account, _) => "account",
            (Field::Subject, _) => "subject",
            (Field::Operation, _) => "operation",
            (Field::Provider, _) => "provider",
            (Field::Group, _) => "group",
            (Field::Kind, _) => "kind",
            (Field::Note, _) => "note",
            (Field::Amount, Self::Csv) => "amount_quota",
            (Field::Amount, Self::Json) => "amount_nanos",
            (Field::Input, Self::Csv) => "input_quota_per_million",
            (Field::Input, Self::Json) => "input_nanos_per_million",
            (Field::Output, Self::Csv) => "output_quota_per_million",
            (Field::Output, Self::Json) => "output_nanos_per_million",
            (Field::Margin, Self::Csv) => "margin",
            (Field::Margin, Self::Json) => "margin_ppm",
            (Field::Step, Self::Csv) => "step_quota",
            (Field::Step, Self::Json) => "step_nanos",
            (Field::Ratio, Self::Csv) => "ratio",
            (Field::Ratio, Self::Json) => "groups_ppm",
        }
    }

    fn amount(self, text: &str) -> Result<Nanos, String> {
        let amount = match self {
            Self::Csv => match parse_decimal(text, NANOS_PER_QUOTA) {
                Err(AmountError::OutOfRange) if !text.starts_with('-') => Nanos::MAX,
                Err(AmountError::NotDecimal) => {
                    return Err(format!("is {}, not a decimal number", quoted(text)));
                }
                amount => amount.map_err(|error| error.to_string())?,
            },
            Self::Json => Nanos::new(whole(text)?),
        };
        if amount < Nanos::ZERO {
            return Err("is negative".to_owned());
        }
        if amount > AMOUNT_MAX {
            return Err(match self {
                Self::Csv => format!("is more than {}", AMOUNT_MAX.in_quota()),
                Self::Json => format!("is more than {}", AMOUNT_MAX.get()),
            });
        }
        Ok(amount)
    }

    fn ratio(self, text: &str) -> Result<Ratio, String> {
        let ppm = match self {
            // A factor counts in millionths as an amount counts in nanos; one reader is exact for both.
            Self::Csv => parse_decimal(text, PPM)
                .map_err(|error| match error {
                    AmountError::NotDecimal => format!("is {}, not a decimal number", quoted(text)),
                    AmountError::TooFine => "is finer than a millionth".to_owned(),
                    AmountError::OutOfRange => "is not from 0 to 4294".to_owned(),
                })?
                .get(),
            Self::Json => whole(text)?,
        };
        let ppm = u32::try_from(ppm).map_err(|_| match self {
            Self::Csv => "is not from 0 to 4294".to_owned(),
            Self::Json => format!("is not from 0 to {}", u32::MAX),
        })?;
        Ok(Ratio::from_ppm(ppm))
    }
}

fn whole(text: &str) -> Result<i64, String> {
    let problem = || format!("is {}, not a whole number that fits in 64 bits", quoted(text));
    text.parse().map_err(|_| problem())
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    Price(Scope, Price),
    Ratio(Group, Ratio),
    DenyUnpriced(bool),
}

/// The name of a price's kind, in both formats.
pub(super) const fn kind(price: &Price) -> &'static str {
    match price {
        Price::PerCall { .. } => "per_call",
        Price::PerUnit { .. } => "per_unit",
        Price::PerToken { .. } => "per_token",
        Price::CostPlus { .. } => "cost_plus",
        Price::Free => "free",
    }
}

/// The kind of a row that gives a group its ratio.
pub(super) const RATIO: &str = "ratio";
/// The kinds of a row that says whether calls without a price are refused.
pub(super) const DENY_UNPRICED: &str = "deny_unpriced";
/// See [`DENY_UNPRICED`].
pub(super) const ALLOW_UNPRICED: &str = "allow_unpriced";

/// The field that decides how large a price is.
pub(super) fn amount_field(spelling: Spelling, price: &Price) -> &'static str {
    spelling.name(match price {
        Price::PerCall { .. } | Price::PerUnit { .. } => Field::Amount,
        Price::PerToken { input_per_million, output_per_million }
            if output_per_million > input_per_million =>
        {
            Field::Output
        }
        Price::PerToken { .. } => Field::Input,
        Price::CostPlus { margin: _, step } if *step > AMOUNT_MAX => Field::Step,
        Price::CostPlus { .. } => Field::Margin,
        Price::Free => Field::Kind,
    })
}

/// The field that is wrong, and how.
pub(super) type Wrong = (Field, String);

/// The cells of a row.
pub(super) struct Cells<'a, F> {
    pub(super) spelling: Spelling,
    /// A cell's text; `None` when there is none or it is empty.
    pub(super) text: F,
    /// What is priced by a row that names nothing: nothing in CSV, where an empty cell is quickly made;
    /// Coze in JSON, as everywhere else.
    pub(super) unnamed: Option<&'a Scope>,
}

impl<'a, F: Fn(Field) -> Option<&'a str>> Cells<'a, F> {
    pub(super) fn row(&self) -> Result<Row, Wrong> {
        let kind = self.needed(Field::Kind)?;
        match kind {
            RATIO => {
                self.only(&[Field::Group, Field::Ratio], kind)?;
                let group = self.needed(Field::Group)?;
                let group = group.parse().map_err(|error| wrong(Field::Group, error))?;
                Ok(Row::Ratio(group, self.ratio(Field::Ratio)?))
            }
            DENY_UNPRICED | ALLOW_UNPRICED => {
                self.only(&[], kind)?;
                Ok(Row::DenyUnpriced(kind == DENY_UNPRICED))
            }
            _ => {
                let scope = self.scope()?;
                Ok(Row::Price(scope, self.price(kind)?))
            }
        }
    }

    /// The price, where nothing else can be meant.
    pub(super) fn whole_price(&self) -> Result<Price, Wrong> {
        self.price(self.needed(Field::Kind)?)
    }

    fn price(&self, kind: &str) -> Result<Price, Wrong> {
        let price = match kind {
            "per_call" => {
                self.only_amounts(&[Field::Amount], kind)?;
                Price::PerCall { amount: self.amount(Field::Amount)? }
            }
            "per_unit" => {
                self.only_amounts(&[Field::Amount], kind)?;
                Price::PerUnit { amount: self.amount(Field::Amount)? }
            }
            "per_token" => {
                self.only_amounts(&[Field::Input, Field::Output], kind)?;
                Price::PerToken {
                    input_per_million: self.amount(Field::Input)?,
                    output_per_million: self.amount(Field::Output)?,
                }
            }
            "cost_plus" => {
                self.only_amounts(&[Field::Margin, Field::Step], kind)?;
                Price::CostPlus { margin: self.ratio(Field::Margin)?, step: self.step()? }
            }
            "free" => {
                self.only_amounts(&[], kind)?;
                Price::Free
            }
            _ => {
                let problem = match self.spelling {
                    Spelling::Csv => {
                        "per_call, per_unit, per_token, cost_plus, free, ratio, deny_unpriced or \
                         allow_unpriced"
                    }
                    Spelling::Json => "per_call, per_unit, per_token, cost_plus or free",
                };
                return Err((Field::Kind, format!("is {}, not {problem}", quoted(kind))));
            }
        };
        Ok(price)
    }

    /// A whole point where a sheet names no step, as at the command line.
    fn step(&self) -> Result<Nanos, Wrong> {
        if self.spelling == Spelling::Csv && (self.text)(Field::Step).is_none() {
            return Ok(Nanos::new(NANOS_PER_POINT));
        }
        match self.amount(Field::Step)? {
            Nanos::ZERO => Err((Field::Step, "is zero".to_owned())),
            step => Ok(step),
        }
    }

    pub(super) fn scope(&self) -> Result<Scope, Wrong> {
        let text = |field| (self.text)(field);
        if text(Field::Group).is_some() {
            return Err(wrong(Field::Group, "belongs to rows of the kind ratio alone"));
        }
        let alone = |field| wrong(field, "excludes what else is named");
        let (account, subject) = (text(Field::Account), text(Field::Subject));
        let (operation, provider) = (text(Field::Operation), text(Field::Provider));
        if operation.is_some() && (account.is_some() || subject.is_some()) {
            return Err(alone(Field::Operation));
        }
        if provider.is_some() && (account.is_some() || subject.is_some() || operation.is_some()) {
            return Err(alone(Field::Provider));
        }
        if let Some(name) = operation {
            let problem =
                || wrong(Field::Operation, format!("{} is not an operation", quoted(name)));
            return Operation::from_name(name).map(Scope::Operation).ok_or_else(problem);
        }
        if let Some(name) = provider {
            let problem =
                || wrong(Field::Provider, format!("{} is neither coze nor dify", quoted(name)));
            return Provider::from_name(name).map(Scope::rest_of).ok_or_else(problem);
        }
        let account = account.map(str::parse).transpose();
        let account = account.map_err(|error| wrong(Field::Account, error))?;
        let rounded = "was rounded by a spreadsheet: make its column text and paste the id again";
        let subject = match subject {
            Some(text) if is_rounded(text) => return Err(wrong(Field::Subject, rounded)),
            Some(text) => Some(text.parse().map_err(|error| wrong(Field::Subject, error))?),
            None => None,
        };
        match (account, subject, self.unnamed) {
            (Some(account), Some(subject), _) => Ok(Scope::AccountSubject(account, subject)),
            (Some(account), None, _) => Ok(Scope::Account(account)),
            (None, Some(subject), _) => Ok(Scope::Subject(subject)),
            (None, None, Some(scope)) => Ok(scope.clone()),
            (None, None, None) => {
                let problem = "is empty, and so are account, operation and provider: name what the \
                               price is for";
                Err(wrong(Field::Subject, problem))
            }
        }
    }

    fn needed(&self, field: Field) -> Result<&'a str, Wrong> {
        (self.text)(field).ok_or_else(|| (field, "is missing".to_owned()))
    }

    fn amount(&self, field: Field) -> Result<Nanos, Wrong> {
        self.spelling.amount(self.needed(field)?).map_err(|problem| (field, problem))
    }

    pub(super) fn ratio(&self, field: Field) -> Result<Ratio, Wrong> {
        self.spelling.ratio(self.needed(field)?).map_err(|problem| (field, problem))
    }

    /// Nothing else may be filled in, or somebody means what would not be done.
    fn only(&self, fields: &[Field], kind: &str) -> Result<(), Wrong> {
        let others =
            Field::ALL.into_iter().filter(|field| !matches!(field, Field::Kind | Field::Note));
        self.none_of(others.filter(|field| !fields.contains(field)), kind)
    }

    fn only_amounts(&self, fields: &[Field], kind: &str) -> Result<(), Wrong> {
        self.none_of(Field::AMOUNTS.into_iter().filter(|field| !fields.contains(field)), kind)
    }

    fn none_of(&self, mut fields: impl Iterator<Item = Field>, kind: &str) -> Result<(), Wrong> {
        match fields.find(|field| (self.text)(*field).is_some()) {
            None => Ok(()),
            Some(field) => Err((field, format!("does not belong to the kind {kind}"))),
        }
    }
}

fn wrong(field: Field, problem: impl std::fmt::Display) -> Wrong {
    (field, problem.to_string())
}

/// Whether an id is a number as a spreadsheet rounds one: `7.48E+18`.
fn is_rounded(text: &str) -> bool {
    let Some((digits, exponent)) = text.split_once(['E', 'e']) else { return false };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = digits.splitn(2, ['.', ',']);
    are_digits(exponent)
        && exponent.len() <= 2
        && digits.contains(['.', ','])
        && parts.all(are_digits)
}
