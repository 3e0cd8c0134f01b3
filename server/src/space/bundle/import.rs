//! A bundle into the database: read once, judged on the way, and there at the very end or not at all.

use super::record::{Kind, Reader};
use super::replay::{Replay, time};
use super::{BadBundle, Header, Person, Trailer, read_packed, read_snapshot};
use crate::clock::now_ms;
use crate::limits;
use crate::store::segment::Packed;
use crate::store::{Event, EventKind, Head, NewSpace, Retention, SpaceRow, Store};
use bytes::Bytes;
use serde_json::json;
use std::io::Read;
use thexr_schema::ids::{Seq, SpaceId};
use thexr_schema::presence::{Reason, id_of};

/// What to make of a bundle.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The space's name; that of the bundle without one.
    pub id: Option<SpaceId>,
    /// A living space of that name goes.
    pub replace: bool,
}

/// A space that came out of a bundle.
#[derive(Debug)]
pub struct Imported {
    /// It is there now, with an epoch of its own.
    pub row: SpaceRow,
    /// The epoch it had where it was exported.
    pub was: String,
    /// Entities in it.
    pub entities: usize,
    /// Members whose leave was written.
    pub left: usize,
    /// Webhooks of the space that it replaced, which are now its own.
    pub webhooks: u64,
}

/// A bundle of which only the beginning was read.
pub struct Import<R> {
    reader: Reader<R>,
    header: Header,
    space: NewSpace,
    replace: bool,
}

impl<R: Read + Send> Import<R> {
    /// Reads the beginning: what is no bundle is refused before a database is opened, or made, for it.
    pub fn open(from: R, wish: &Wish) -> Result<Self, BadBundle> {
        let mut reader = Reader::open(from)?;
        let header: Header = match reader.next()? {
            (Kind::Header, body) => parse(&body)?,
            _ => return Err(BadBundle::Unsound("the header is missing".into())),
        };
        Ok(Self {
            reader,
            space: judge(&header, wish)?,
            header,
            replace: wish.replace,
        })
    }

    /// Makes a space of it. Heavy, and it holds the writer: for a process that does nothing else.
    ///
    /// The space gets a new epoch in every case. Who has the old one may have edits that the bundle does not hold, and would
    /// merge them into a past that never had them; told of another epoch, a client keeps them aside.
    ///
    /// Whoever was there is not here, and has no token that lets them in again: their leave is written behind the history,
    /// with the reason `shutdown`. The past is left as it was, and is no news to any webhook.
    pub async fn run(self, store: &Store) -> Result<Imported, BadBundle> {
        let Self {
            mut reader,
            header,
            space,
            replace,
        } = self;
        let mut incoming = store.incoming(&space, replace).await?;
        let mut replay = Replay::new(&header);
        let (mut counts, mut snapshots, mut people) = (Trailer::default(), Vec::new(), None);
        loop {
            let (kind, body) = reader.next()?;
            if people.is_some() && kind != Kind::Trailer {
                return Err(BadBundle::Unsound("something follows the members".into()));
            }
            match kind {
                Kind::Header => return Err(BadBundle::Unsound("there are two headers".into())),
                Kind::Snapshot => {
                    let row = read_snapshot(&body)?;
                    replay.snapshot(&row)?;
                    incoming.snapshot(&row).await?;
                    snapshots.push(row.seq);
                    counts.snapshots += 1;
                }
                Kind::Segment => {
                    let packed = read_packed(&body)?;
                    let events = unpack(&packed)?;
                    replay.block(&events, true)?;
                    incoming.segment(&packed, &events).await?;
                    counts.segments += 1;
                }
                Kind::Events => {
                    let events = unpack(&read_packed(&body)?)?;
                    incoming.events(replay.block(&events, false)?).await?;
                    counts.blocks += 1;
                }
                Kind::Members => {
                    let found: Vec<Person> = parse(&body)?;
                    counts.members = found.len() as u64;
                    people = Some(found);
                }
                Kind::Trailer => {
                    if parse::<Trailer>(&body)? != counts {
                        return Err(BadBundle::Unsound("the trailer counts other records".into()));
                    }
                    break;
                }
            }
        }
        reader.end()?;
        let Some(people) = people else {
            return Err(BadBundle::Unsound("the members are missing".into()));
        };
        let (mut head, entities) = replay.finish(&header, &people, &snapshots)?;
        incoming.told(head.seq).await?;
        let leaves = leaves(&people, &header, &mut head)?;
        incoming.events(&leaves).await?;
        Ok(Imported {
            webhooks: incoming.webhooks,
            row: incoming.finish(head).await?,
            was: header.epoch,
            entities,
            left: leaves.len(),
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, BadBundle> {
    serde_json::from_slice(body).map_err(|error| BadBundle::Unsound(error.to_string()))
}

fn unpack(packed: &Packed) -> Result<Vec<Event>, BadBundle> {
    packed
        .unpack()
        .map_err(|error| BadBundle::Unsound(error.to_string()))
}

/// The space that the header speaks of, under the name it is to have.
fn judge(header: &Header, wish: &Wish) -> Result<NewSpace, BadBundle> {
    let unsound = |what: &str| BadBundle::Unsound(format!("the header has {what}"));
    let slug = match &wish.id {
        Some(id) => id.clone(),
        None => header
            .space
            .parse()
            .map_err(|_| unsound("a name that no space can have"))?,
    };
    let name = &header.name;
    if name.chars().count() > limits::SPACE_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(unsound("a display name that no space can have"));
    }
    let in_order =
        0 <= header.base_seq && header.base_seq <= header.snap_seq && header.snap_seq <= header.seq;
    if !in_order {
        return Err(unsound("numbers that are out of order"));
    }
    time(header.created_at)?;
    time(header.at)?;
    let retention = Retention {
        days: header.keep_days,
        bytes: header.keep_bytes,
    };
    if [retention.days, retention.bytes]
        .into_iter()
        .flatten()
        .any(|keep| keep < 0)
    {
        return Err(unsound("a negative retention"));
    }
    Ok(NewSpace {
        slug,
        name: name.clone(),
        created_at: header.created_at,
        retention,
    })
}

/// The leave of everybody who was there when the bundle was written.
fn leaves(people: &[Person], header: &Header, head: &mut Head) -> Result<Vec<Event>, BadBundle> {
    let mut events = Vec::with_capacity(people.len());
    for person in people {
        if id_of(&person.member).is_none() {
            return Err(BadBundle::Unsound("a member has no id".into()));
        }
        let heard_at = if person.away { person.heard_at } else { header.at };
        time(heard_at)?;
        head.seq += 1;
        head.at = now_ms().max(head.at);
        let payload = json!({"reason": Reason::Shutdown.as_str(), "last_heard": heard_at});
        events.push(Event {
            seq: Seq(head.seq),
            at: head.at,
            kind: EventKind::Left as i64,
            member: Some(person.member.clone()),
            user: Some(person.user.clone()),
            payload: Bytes::from(payload.to_string()),
            changes: None,
        });
    }
    Ok(events)
}
