//! Coming, going, and coming back.

use super::*;
use thexr_schema::presence::id_text;

const GRACE: Duration = Duration::from_secs(15);

fn who(user: &str) -> Identity {
    Identity {
        user: user.into(),
        name: "Ana".into(),
        role: 1,
    }
}

fn empty(now: Instant) -> Roster {
    Roster::restored(Vec::new(), GRACE, now, 0, 0, 0).0
}

/// A member comes in and its join is durable.
fn join(roster: &mut Roster, conn: u64, user: &str, now: Instant) -> (u16, Id) {
    let Entered::New(fact, token) = roster.enter(ConnId(conn), who(user), None, 0, "{}", now) else {
        panic!("a new member")
    };
    roster.get(fact.handle).expect("there").joined_at = 1;
    (fact.handle, token)
}

fn row(fact: &Fact) -> MemberRow {
    match fact.event().roster {
        Some(crate::store::RosterChange::Put(row)) => *row,
        other => panic!("{other:?}"),
    }
}

/// SPEC M9. Regression (the prototype, notes/peers.md §3a): a refresh must not look like a leave and a join.
#[test]
fn a_refresh_is_away_and_back_with_the_same_handle() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (handle, token) = join(&mut roster, 1, "ana", now);
    let lost = roster.lost(ConnId(1), 5, now).expect("it was here");
    assert_eq!(lost.what, What::Suspended);
    assert!(roster.expire(now + GRACE - Duration::from_millis(1)).is_empty());
    let Entered::Resumed(fact) = roster.enter(ConnId(2), who("ana"), Some(token), 0, "{}", now) else {
        panic!("it is back")
    };
    assert_eq!((fact.what, fact.handle), (What::Resumed, handle));
    assert!(
        roster.lost(ConnId(1), 6, now).is_none(),
        "the old connection has no say any more"
    );
}

/// Regression (the prototype): the timer of an earlier absence must not end a member that came back and left again.
#[test]
fn a_grace_runs_from_the_last_loss() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (_, token) = join(&mut roster, 1, "ana", now);
    roster.lost(ConnId(1), 5, now);
    let second = now + Duration::from_secs(10);
    roster.enter(ConnId(2), who("ana"), Some(token), 0, "{}", second);
    assert!(roster.expire(now + GRACE).is_empty(), "it is here");
    roster.lost(ConnId(2), 6, second);
    assert!(roster.expire(now + GRACE).is_empty(), "the first timer is stale");
    let over = roster.expire(second + GRACE);
    assert_eq!(
        over.iter().map(|f| f.what).collect::<Vec<_>>(),
        [What::Left(Reason::Grace)]
    );
    assert!(roster.expire(second + GRACE * 2).is_empty(), "it leaves once");
    assert_eq!(roster.len(), 0);
}

/// Regression (the prototype): closing one of two tabs must not remove the user.
#[test]
fn two_tabs_of_one_user_are_two_members() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (one, _) = join(&mut roster, 1, "ana", now);
    let (two, _) = join(&mut roster, 2, "ana", now);
    assert_ne!(one, two);
    roster.leave(one, Reason::Bye, 5, now);
    assert_eq!(roster.told().map(|m| m.handle).collect::<Vec<_>>(), [two]);
}

/// SPEC M9.
#[test]
fn a_token_of_somebody_who_is_here_takes_the_place_over_and_is_no_way_to_become_somebody_else() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (handle, token) = join(&mut roster, 1, "ana", now);
    let entered = roster.enter(ConnId(2), who("eve"), Some(token), 0, "{}", now);
    assert!(matches!(entered, Entered::New(..)), "another user");
    let entered = roster.enter(ConnId(3), who("ana"), Some(token), 0, "{}", now);
    assert!(
        matches!(entered, Entered::Replaced { handle: h, old: ConnId(1) } if h == handle),
        "a new connection of hers"
    );
    assert!(roster.of(ConnId(1)).is_none());
    let entered = roster.enter(ConnId(4), who("ana"), Some([9; 16]), 0, "{}", now);
    assert!(matches!(entered, Entered::New(..)), "a token of nobody");
}

/// SPEC M10.
#[test]
fn a_handle_rests_for_a_minute() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (handle, _) = join(&mut roster, 1, "ana", now);
    roster.leave(handle, Reason::Bye, 5, now);
    roster.last_handle = handle - 1;
    let (next, _) = join(
        &mut roster,
        2,
        "ben",
        now + limits::HANDLE_REST - Duration::from_millis(1),
    );
    assert_ne!(next, handle);
    roster.last_handle = handle - 1;
    let (next, _) = join(&mut roster, 3, "cleo", now + limits::HANDLE_REST);
    assert_eq!(next, handle);
}

/// SPEC M9.
#[test]
fn after_a_restart_everybody_is_away_with_a_whole_grace_and_nobody_has_left() {
    let now = Instant::now();
    let mut before = empty(now);
    let (here, token) = join(&mut before, 1, "ana", now);
    let (away, _) = join(&mut before, 2, "ben", now);
    let suspended = before.lost(ConnId(2), 77, now).expect("was here");
    let Entered::Resumed(_) = ({
        before.lost(ConnId(1), 5, now);
        before.enter(ConnId(9), who("ana"), Some(token), 0, "{\"a\":1}", now)
    }) else {
        panic!("back")
    };
    let rows = vec![
        MemberRow {
            away: false,
            ..row(&Fact::new(before.get(here).expect("there"), What::Resumed))
        },
        row(&suspended),
    ];
    let start = now + Duration::from_secs(3600);
    let (mut roster, facts) = Roster::restored(rows, GRACE, start, 99, 90, 70);
    assert_eq!(
        facts.iter().map(|f| (f.handle, f.what)).collect::<Vec<_>>(),
        [(here, What::Suspended)],
        "the other one was suspended already"
    );
    assert!(roster.expire(start + GRACE - Duration::from_millis(1)).is_empty());
    let back = roster.enter(ConnId(1), who("ana"), Some(token), 0, "{}", start);
    assert!(matches!(back, Entered::Resumed(fact) if fact.handle == here));
    let left = roster.expire(start + GRACE);
    assert_eq!(
        left.iter().map(|f| (f.handle, f.what)).collect::<Vec<_>>(),
        [(away, What::Left(Reason::Shutdown))]
    );
}

#[test]
fn the_journal_says_who_and_why() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (handle, token) = join(&mut roster, 1, "ana", now);
    let id = id_text(&roster.get(handle).expect("there").id);
    let event = roster
        .leave(handle, Reason::Kicked, 5, now)
        .expect("was here")
        .event();
    assert_eq!(
        (event.member.as_deref(), event.user.as_deref()),
        (Some(&*id), Some("ana"))
    );
    let body = String::from_utf8(event.payload.to_vec()).expect("text");
    assert_eq!(body, "{\"reason\":\"kicked\",\"last_heard\":5}");
    assert!(!format!("{token:?}").is_empty() && !body.contains("token"));
}

/// SPEC M1: who somebody is comes with the connection, also when it comes back.
#[test]
fn who_comes_back_is_who_its_new_connection_says() {
    let now = Instant::now();
    let mut roster = empty(now);
    let (handle, token) = join(&mut roster, 1, "ana", now);
    let viewer = Identity {
        role: 0,
        name: "Anna".into(),
        ..who("ana")
    };
    roster.lost(ConnId(1), 5, now);
    roster.enter(ConnId(2), viewer.clone(), Some(token), 0, "{}", now);
    assert_eq!(roster.get(handle).expect("there").identity, viewer);
    roster.enter(ConnId(3), who("ana"), Some(token), 0, "{}", now);
    assert_eq!(roster.get(handle).expect("there").identity, who("ana"));
}

#[test]
fn a_full_space_lets_go_of_who_has_been_away_the_longest() {
    let now = Instant::now();
    let mut roster = empty(now);
    for conn in 0..limits::MEMBERS_PER_SPACE_MAX as u64 {
        assert!(roster.make_room(now).is_none());
        join(&mut roster, conn, "ana", now);
    }
    assert!(roster.make_room(now).is_none(), "everybody is here");
    let (first, second) = (
        roster.of(ConnId(7)).expect("there").handle,
        now + Duration::from_secs(1),
    );
    roster.lost(ConnId(7), 5, now);
    roster.lost(ConnId(3), 5, second);
    assert_eq!(roster.make_room(second).map(|fact| fact.handle), Some(first));
}

/// A space that crashed while the server ran: nobody was lost by a restart of it.
#[test]
fn who_was_here_since_the_start_leaves_by_its_grace() {
    let now = Instant::now();
    let mut before = empty(now);
    let (handle, _) = join(&mut before, 1, "ana", now);
    let lost = before.lost(ConnId(1), 95, now).expect("was here");
    let (mut roster, _) = Roster::restored(vec![row(&lost)], GRACE, now, 99, 90, 70);
    let left = roster.expire(now + GRACE);
    assert_eq!(
        left.iter().map(|f| (f.handle, f.what)).collect::<Vec<_>>(),
        [(handle, What::Left(Reason::Grace))]
    );
}
