//! Lists, page by page: how much is asked for, what came, where the next page begins.
//!
//! # Bounds
//! At most [`PAGE_ROWS_MAX`] rows a page.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// Rows in a page that names no limit.
pub const PAGE_ROWS_DEFAULT: i64 = 50;
/// Most rows in a page.
pub const PAGE_ROWS_MAX: i64 = 500;

/// Which stretch of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Behind this row, as the page before said; from the beginning when it is `None`.
    behind: Option<String>,
    limit: i64,
}

impl Span {
    /// At most `limit` rows, within the bounds, behind a cursor.
    pub fn new(behind: Option<String>, limit: Option<i64>) -> Self {
        Self { behind, limit: limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX) }
    }

    /// The first rows of a list, as many as a command prints at most.
    pub fn first(limit: i64) -> Self {
        Self { behind: None, limit: limit.max(1) }
    }

    /// The cursor, where it is a row's id.
    pub fn behind(&self) -> Option<&str> {
        self.behind.as_deref()
    }

    /// The cursor, where it is a row's number.
    pub fn behind_number(&self) -> Result<Option<i64>, Error> {
        let number = self.behind.as_deref().map(str::parse).transpose();
        number.map_err(|_| Error::invalid("cursor", "is not one that was handed out"))
    }

    /// One more than the page, to see whether there is a next one.
    pub fn rows_asked(&self) -> i64 {
        self.limit.saturating_add(1)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; null when this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page that these rows make, one more than the span's limit when there is a next one.
    pub fn of(mut rows: Vec<T>, span: &Span, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = usize::try_from(span.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next_cursor }
    }

    /// The same page of something else.
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, next_cursor } = self;
        Page { items: items.into_iter().map(map).collect(), next_cursor }
    }

    /// The same, where that may fail.
    pub fn try_map<U, E>(self, map: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let Self { items, next_cursor } = self;
        Ok(Page { items: items.into_iter().map(map).collect::<Result<_, E>>()?, next_cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_only_when_there_is_one() {
        let span = Span::new(None, Some(2));
        let page = |rows: Vec<i64>| Page::of(rows, &span, i64::to_string);
        assert_eq!(page(vec![3, 2, 1]).next_cursor.as_deref(), Some("2"));
        assert_eq!(page(vec![3, 2, 1]).items, [3, 2]);
        assert_eq!(page(vec![3, 2]).next_cursor, None);
        assert_eq!(page(Vec::new()).next_cursor, None);
    }

    #[test]
    fn a_limit_is_within_its_bounds_and_a_cursor_is_read_back_or_refused() {
        assert_eq!(Span::new(None, Some(i64::MAX)).rows_asked(), PAGE_ROWS_MAX + 1);
        let asked = |limit| Span::new(None, Some(limit)).rows_asked();
        // One more, to see whether there is another page.
        assert_eq!(asked(PAGE_ROWS_MAX + 1), asked(PAGE_ROWS_MAX));
        assert_eq!(asked(PAGE_ROWS_MAX - 1), PAGE_ROWS_MAX);
        assert_eq!(asked(0), 2);
        assert_eq!(Span::new(Some("7".to_owned()), None).behind_number().unwrap(), Some(7));
        assert!(Span::new(Some("x".to_owned()), None).behind_number().is_err());
    }
}
