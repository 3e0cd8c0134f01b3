//! What webhooks have yet to tell is not pruned, for a while.

use crate::limits;
use crate::space::Trouble;
use crate::store::{Holdings, SpaceKey, Store, StoreError};
use thexr_schema::ids::Seq;

/// What is untold and was written since then (ms since 1970) stays.
pub fn kept_since(now: i64) -> i64 {
    let kept = i64::try_from(limits::WEBHOOK_UNTOLD_KEPT.as_millis());
    now.saturating_sub(kept.expect("a week"))
}

/// Of what is to go as far as `base`, this much may: it is sealed, and was told or is too old to wait for that.
pub async fn may_go(
    store: &Store,
    key: SpaceKey,
    base: Seq,
    held: &Holdings,
    now: i64,
) -> Result<i64, Trouble> {
    let (told, since) = (told(store, key, base).await?, kept_since(now));
    let may_go = held
        .segments
        .iter()
        .take_while(|segment| segment.last <= told.0 || segment.last_at < since);
    let may_go = may_go.last().map_or(held.base_seq, |segment| segment.last);
    Ok(may_go.min(held.sealed_seq))
}

/// Nothing up to here is left to tell; at most `base`. Webhooks that are not told of what comes next to them move on.
async fn told(store: &Store, key: SpaceKey, base: Seq) -> Result<Seq, Trouble> {
    let mut told = base;
    for late in store.webhooks_late(key, base).await? {
        let mut passed = late.looked;
        while passed < base {
            let found = match store.history(key, passed, 1, late.kinds).await {
                Ok(found) => found,
                // It may be among what cannot be read.
                Err(StoreError::Damaged(_)) => break,
                Err(error) => return Err(error.into()),
            };
            if let Some(next) = found.events.first() {
                passed = Seq(next.seq.0 - 1).min(base);
                break;
            }
            passed = match found.seen > passed {
                true => found.seen.min(base),
                // The end: there is none.
                false => base,
            };
        }
        if passed > late.looked {
            store.webhook_passed(&late.id, key, passed).await?;
        }
        told = told.min(passed);
    }
    let dead = store.first_dead(key).await?;
    Ok(dead.map_or(told, |first| told.min(Seq(first.0 - 1))))
}
