//! The next batch of a webhook in a space: rows into the JSON that is sent, the same bytes for the same range.

use super::sign::delivery_id;
use crate::store::{Kinds, Result, SpaceRow, Store, StoreError};
use crate::{journal, limits};
use bytes::Bytes;
use thexr_schema::ids::Seq;
use thexr_schema::webhook::Delivery;

/// Where a batch begins and may end.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Everything up to here was told.
    pub after: Seq,
    /// Nothing up to here is of the kinds.
    pub looked: Seq,
    /// It ends here, when it was tried before.
    pub until: Option<Seq>,
}

impl Range {
    /// Where it ends when it cannot be read: with the `piece` that is damaged. When that is gone by now it is as long as a
    /// batch, not up to the `head` of the space: all that it covers is one body once it can be read.
    pub fn end_unread(self, piece: Option<Seq>, head: Seq) -> Seq {
        let batch = i64::try_from(limits::WEBHOOK_BATCH_EVENTS).expect("small");
        let most = Seq(self.looked.0 + batch).min(head);
        self.until.or(piece).unwrap_or(most)
    }
}

/// What was found to tell.
#[derive(Debug)]
pub enum Batch {
    /// Nothing of the kinds up to here.
    Nothing(Seq),
    /// This.
    Some {
        /// The delivery's id.
        delivery: String,
        /// It ends with this event.
        last: Seq,
        /// There was more than fits.
        full: bool,
        /// JSON.
        body: Bytes,
    },
}

/// Builds it. What is damaged is not skipped: the batch ends before it, or cannot be built.
pub async fn build(
    store: &Store,
    webhook: &str,
    kinds: Kinds,
    space: &SpaceRow,
    range: Range,
) -> Result<Batch> {
    let until = range.until.unwrap_or(Seq(i64::MAX));
    let (mut items, mut seen, mut bytes, mut full) = (Vec::new(), range.looked, 0, false);
    // A batch that was tried before is sent as it was, and one that could not be read before is as long as it is.
    let again = range.until.is_some();
    'reading: while seen < until && (again || items.len() < limits::WEBHOOK_BATCH_EVENTS) {
        let mut read = store
            .history(space.key, seen, limits::WEBHOOK_BATCH_EVENTS, kinds)
            .await;
        if !again && matches!(read, Err(StoreError::Damaged(_))) {
            // What comes before it in the same page can be read.
            read = store.history(space.key, seen, 1, kinds).await;
        }
        let stretch = match read {
            Err(StoreError::Damaged(_)) if !again && !items.is_empty() => {
                full = true;
                break;
            }
            read => read?,
        };
        if stretch.seen == seen {
            break;
        }
        for event in stretch.events {
            if event.seq > until {
                break 'reading;
            }
            let item = journal::shown(&event);
            let len = serde_json::to_vec(&item).map_or(0, |json| json.len());
            let fits = items.is_empty()
                || bytes + len <= limits::WEBHOOK_BATCH_BYTES && items.len() < limits::WEBHOOK_BATCH_EVENTS;
            if !again && !fits {
                full = true;
                break 'reading;
            }
            bytes += len;
            seen = event.seq;
            items.push(item);
        }
        seen = seen.max(stretch.seen);
    }
    let last = range.until.unwrap_or(seen);
    if items.is_empty() {
        return Ok(Batch::Nothing(last));
    }
    full |= items.len() >= limits::WEBHOOK_BATCH_EVENTS;
    let first = range.after.0 + 1;
    let delivery = delivery_id(webhook, &space.epoch, first, last.0);
    let body = Delivery {
        webhook: webhook.to_owned(),
        delivery: delivery.clone(),
        space: space.slug.to_string(),
        epoch: space.epoch.clone(),
        first_seq: first,
        last_seq: last.0,
        items,
    };
    let body = serde_json::to_vec(&body)
        .expect("strings and numbers are JSON")
        .into();
    Ok(Batch::Some {
        delivery,
        last,
        full,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: it was all of the space, and without a limit one body.
    #[test]
    fn what_cannot_be_read_and_is_gone_then_is_no_longer_than_a_batch() {
        let range = |until| Range {
            after: Seq(5),
            looked: Seq(10),
            until,
        };
        let end = |until: Option<i64>, piece: Option<i64>, head| {
            range(until.map(Seq)).end_unread(piece.map(Seq), Seq(head)).0
        };
        let batch = i64::try_from(limits::WEBHOOK_BATCH_EVENTS).expect("small");
        assert_eq!(end(None, None, 1_000_000), 10 + batch);
        assert_eq!(end(None, None, 12), 12);
        // A sealed block is as long as it is, and what was tried stays what it was.
        assert_eq!(end(None, Some(1_900), 1_000_000), 1_900);
        assert_eq!(end(Some(11), Some(1_900), 1_000_000), 11);
    }
}
