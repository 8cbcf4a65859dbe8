//! What is read as a price list is written as one that says the same, and what is refused is told by a
//! line that is there.
//!
//! The first byte chooses the format.

use meter::price::{PriceBook, Scope};
use meter::price_list::{Format, Mode, PROBLEMS_MAX, PriceList, Refused, write};

/// Reads the bytes as a list.
pub fn check(bytes: &[u8]) {
    let Some((&which, file)) = bytes.split_first() else { return };
    let format = if which % 2 == 0 { Format::Csv } else { Format::Json };
    let list = match PriceList::read(file, format) {
        Ok(list) => list,
        Err(refused) => return told(&refused, file),
    };
    let mut book = PriceBook::initial().with_dify();
    let before = book.clone();
    if let Err(refused) = list.apply(&mut book, Mode::Merge) {
        assert_eq!(book, before, "what is refused changes nothing");
        return told(&refused, file);
    }
    assert!(book.prices.contains_key(&Scope::Coze) && book.prices.contains_key(&Scope::Dify));
    let text = write(&book, format);
    let again = PriceList::read(text.as_bytes(), format).expect("what was written can be read");
    let mut same = before;
    again.apply(&mut same, Mode::Replace).expect("what was a book is one");
    assert_eq!(same, book);
}

fn told(refused: &Refused, file: &[u8]) {
    let lines = file.split(|byte| *byte == b'\n').count();
    assert!((1..=PROBLEMS_MAX).contains(&refused.problems.len()), "{refused}");
    for problem in &refused.problems {
        assert!((1..=lines).contains(&problem.line), "{problem} of {lines}");
    }
}
