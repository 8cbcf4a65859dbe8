//! (4) A stream whose caller wants to hear at its end what it cost.
//!
//! The caller's half goes through our hands, so that something can be written behind it. What is settled
//! is still read from the other half: a caller who stops listening holds nothing up.

use futures_util::future::join;
use meter::journal::{Report, Settled};
use meter::notice::{Notice, StreamEnd};
use meter::route::Dialect;
use meter::sse;
use meter::usage::{Observed, Stage};
use worker::Result;
use worker::js_sys::Uint8Array;
use worker::js_sys::futures::JsFuture;
use worker::web_sys::{ReadableStream, WritableStream, WritableStreamDefaultWriter};

use crate::body;

use super::admit::Admitted;
use super::{settle, tap};

/// Hands a stream on, settles its call by the copy, and ends the stream with the notice.
pub(super) async fn carry(
    admitted: Admitted,
    status: u16,
    (for_caller, copy): (ReadableStream, ReadableStream),
    writable: WritableStream,
    note_after: std::time::Duration,
) {
    let delivering = deliver(for_caller, writable, admitted.dialect);
    let settling = async {
        let observed = tap::read_copy(&admitted, &copy, note_after, |_| {}).await;
        let report = Report { status: Some(status), observed };
        let settled = settle::settle(&admitted, &report, None).await;
        notice(&report.observed, settled)
    };
    let (delivered, notice) = join(delivering, settling).await;
    // Nobody listens any more where it was not delivered to its end.
    if let Ok((writer, end)) = delivered {
        let text = notice.map(|notice| notice.text(admitted.dialect, &end));
        let _ = finish(&writer, text).await;
    }
}

/// What there is to tell: nothing before the work has ended and its charge is final.
fn notice(observed: &Observed, settled: Option<Settled>) -> Option<Notice> {
    let has_ended = !matches!(observed.stage, Stage::Unknown | Stage::Running | Stage::Cut);
    match settled {
        Some(Settled::Finished { amount, balance, .. }) if has_ended => {
            Some(Notice { balance, amount, usage: observed.usage })
        }
        _ => None,
    }
}

/// Hands the stream on to its end, and says how it ended. A stream that breaks off is broken off for
/// the caller too.
async fn deliver(
    stream: ReadableStream,
    writable: WritableStream,
    dialect: Dialect,
) -> Result<(WritableStreamDefaultWriter, StreamEnd)> {
    let writer = writable.get_writer()?;
    let reader = body::reader(&stream);
    let mut end = StreamEnd::default();
    let mut parser = sse::Parser::new();
    loop {
        match body::next_chunk(&reader).await {
            Ok(Some(chunk)) => {
                if let Err(left) = JsFuture::from(writer.write_with_chunk(&chunk)).await {
                    let _ = reader.cancel();
                    return Err(left.into());
                }
                let bytes = chunk.to_vec();
                end.feed(&bytes);
                if dialect == Dialect::Workflow {
                    parser.feed(&bytes, |_| {});
                }
            }
            Ok(None) => break,
            Err(broken) => {
                let _ = writer.abort();
                return Err(broken);
            }
        }
    }
    end.note_id(parser.last_id());
    Ok((writer, end))
}

async fn finish(writer: &WritableStreamDefaultWriter, text: Option<String>) -> Result<()> {
    if let Some(text) = text {
        let bytes = Uint8Array::from(text.as_bytes());
        JsFuture::from(writer.write_with_chunk(&bytes)).await?;
    }
    JsFuture::from(writer.close()).await?;
    Ok(())
}
