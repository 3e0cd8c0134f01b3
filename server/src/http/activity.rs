//! `/api/v1/spaces/{space}/activity`: how much happened when and who was there, for whoever draws a timeline. Long
//! histories are counted from the rows of their sealed blocks; only blocks that say more than that are unpacked.

mod fold;
mod frame;

use super::input::{InSpace, Query};
use super::problem::{Code, Problem};
use super::space::row;
use super::timestamp::moment;
use crate::store::{Block, Kinds, SpaceKey, Store};
use crate::{App, limits};
use axum::Json;
use axum::extract::State;
use fold::Fold;
use frame::Frame;
use serde::Deserialize;
use thexr_schema::ids::Seq;
use thexr_schema::journal::Activity;

/// What to count, and how finely.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    from: Option<String>,
    to: Option<String>,
    buckets: Option<i64>,
}

/// `GET …/activity`
pub async fn show(
    State(app): State<App>,
    InSpace(id): InSpace,
    Query(which): Query<Which>,
) -> Result<Json<Activity>, Problem> {
    let count = which.buckets.unwrap_or(limits::ACTIVITY_BUCKETS_DEFAULT);
    if !(1..=limits::ACTIVITY_BUCKETS_MAX).contains(&count) {
        let what = format!("buckets is 1 to {}.", limits::ACTIVITY_BUCKETS_MAX);
        return Err(Problem::new(Code::BadQuery, what));
    }
    let from = which.from.as_deref().map(|at| moment("from", at)).transpose()?;
    let to = which.to.as_deref().map(|at| moment("to", at)).transpose()?;
    let row = row(&app, &id).await?;
    let store = app.spaces.store();
    let (first, last) = store
        .extent(row.key)
        .await?
        .unwrap_or((row.created_at, row.created_at));
    let frame = Frame::new(from.unwrap_or(first), to.unwrap_or(last), count)
        .ok_or_else(|| Problem::new(Code::BadQuery, "from is after to."))?;
    let seq_from = store.seq_at(row.key, frame.from - 1).await?;
    let mut fold = Fold::new(frame, seq_from);
    let newest = read(&mut fold, store, row.key).await?;
    Ok(Json(fold.finish(row.base_seq, newest)))
}

/// Everything that has to be known, in order: blocks, then rows. Gives the newest event of that moment.
async fn read(fold: &mut Fold, store: &Store, key: SpaceKey) -> Result<Seq, Problem> {
    let frame = fold.frame;
    let counted = store.counted(key, frame.from, frame.to, frame.width).await?;
    let more =
        |block: &Block| block.may_have(Kinds::MEMBERS) || block.edits.is_none() || frame.straddles(block);
    // The newest ones, when there are too many: who looks back far enough knows that it was long ago.
    let open_from = counted
        .blocks
        .iter()
        .rev()
        .filter(|block| more(block))
        .nth(limits::ACTIVITY_BLOCKS_MAX)
        .map_or(Seq::ZERO, |block| block.last);
    let mut sealed = Seq::ZERO;
    for block in &counted.blocks {
        sealed = block.last;
        if !more(block) || block.last <= open_from {
            fold.take_block(block);
            continue;
        }
        // A block that was pruned meanwhile is not there, and what follows it is taken when its turn comes.
        let stretch = store
            .history(key, Seq(block.first.0 - 1), usize::MAX, Kinds::ALL)
            .await?;
        let within = stretch.events.iter().take_while(|event| event.seq <= block.last);
        within.for_each(|event| fold.take(event));
    }
    for tally in &counted.rows {
        fold.take_tally(tally);
    }
    // What came after the frame is not asked for, however much of it there is.
    let until = store.seq_at(key, frame.to).await?.min(counted.newest);
    while sealed < until {
        let page = limits::HISTORY_PAGE_EVENTS;
        let stretch = store.history(key, sealed, page, Kinds::MEMBERS).await?;
        if stretch.seen == sealed {
            break;
        }
        sealed = stretch.seen;
        let within = stretch.events.iter().take_while(|event| event.seq <= until);
        within.for_each(|event| fold.take_member(event));
    }
    Ok(counted.newest)
}
