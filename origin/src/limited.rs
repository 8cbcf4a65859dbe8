//! Reading a file record by record, where no record may be the whole file.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// How many bytes a record may still have.
#[derive(Clone)]
pub(crate) struct Allowance {
    left: Rc<Cell<u64>>,
    bytes_max: u64,
}

/// Reads so many bytes and no more, until it is told that a record has ended.
pub(crate) struct Limited<R> {
    inner: R,
    allowance: Allowance,
}

impl Allowance {
    /// The next record begins.
    pub(crate) fn renew(&self) {
        self.left.set(self.bytes_max);
    }
}

impl<R: Read> Limited<R> {
    /// Records of at most so many bytes, and what has to be told of each.
    pub(crate) fn new(inner: R, bytes_max: u64) -> (Self, Allowance) {
        let allowance = Allowance { left: Rc::new(Cell::new(bytes_max)), bytes_max };
        (Self { inner, allowance: allowance.clone() }, allowance)
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Allowance { left, bytes_max } = &self.allowance;
        if read > 0 && left.get() == 0 {
            let problem = format!("a record has more than {bytes_max} bytes: is a quote open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        left.set(left.get().saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::import::LINE_BYTES_MAX;
    use crate::import::source::RECORD_BYTES_MAX;

    #[test]
    fn a_record_is_read_up_to_its_bound_and_the_next_one_as_well() {
        for bytes_max in [RECORD_BYTES_MAX, LINE_BYTES_MAX] {
            let read = |bytes: u64, is_renewed: bool| {
                let (mut limited, allowance) =
                    Limited::new(io::repeat(b'x').take(bytes), bytes_max);
                let mut first = vec![0; usize::try_from(bytes_max).unwrap()];
                limited.read_exact(&mut first).unwrap();
                if is_renewed {
                    allowance.renew();
                }
                limited.read_to_end(&mut Vec::new())
            };
            assert_eq!(read(bytes_max, false).unwrap(), 0);
            assert!(read(bytes_max + 1, false).is_err());
            assert_eq!(read(bytes_max + 1, true).unwrap(), 1);
        }
    }
}
