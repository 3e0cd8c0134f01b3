//! Updates written by hand, and what they show. That an engine shows the same is for the mutation run.

use super::*;
use crate::lib0::{write_str, write_var};

/// An update of one section per client with these structs, and a delete set of one range per client.
fn update(sections: &[(u64, &[Vec<u8>])], deletes: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_var(&mut out, sections.len() as u64);
    for (client, structs) in sections {
        write_var(&mut out, structs.len() as u64);
        write_var(&mut out, *client);
        write_var(&mut out, 0);
        structs.iter().for_each(|bytes| out.extend(bytes));
    }
    write_var(&mut out, deletes.len() as u64);
    for (client, start, len) in deletes {
        [*client, 1, *start, *len]
            .iter()
            .for_each(|n| write_var(&mut out, *n));
    }
    out
}

fn entity(id: &str) -> Vec<u8> {
    let mut out = vec![0x27, 1];
    write_str(&mut out, "entities");
    write_str(&mut out, id);
    out.push(1);
    out
}

fn component(parent: (u8, u8), name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0x28, 0, parent.0, parent.1];
    write_str(&mut out, name);
    out.push(1);
    out.extend(value);
    out
}

fn behind(origin: (u8, u8), values: &[u8]) -> Vec<u8> {
    let mut out = vec![0x88, origin.0, origin.1, (values.len() / 2) as u8];
    out.extend(values);
    out
}

fn strokes(values: &[u8]) -> Vec<u8> {
    let mut out = vec![8, 1];
    write_str(&mut out, "strokes:e");
    out.push((values.len() / 2) as u8);
    out.extend(values);
    out
}

fn json(update: &[u8]) -> String {
    let content = Content::read(update).expect("a document");
    String::from_utf8(content.to_json().expect("values")).expect("text")
}

/// Two bytes each: the integers 1 to 4, and an empty object.
const N: [[u8; 2]; 5] = [[125, 0], [125, 1], [125, 2], [125, 3], [125, 4]];
const OBJECT: [u8; 2] = [118, 0];

#[test]
fn the_last_value_of_a_key_shows_unless_it_is_deleted() {
    let of = |deletes: &[_]| {
        let first = [
            entity("e"),
            component((1, 0), "c", &N[1]),
            component((1, 0), "d", &N[2]),
        ];
        let second = [behind((1, 1), &N[3])];
        json(&update(&[(2, &second), (1, &first)], deletes))
    };
    assert_eq!(
        of(&[(1, 1, 1)]),
        r#"{"entities":{"e":{"c":3,"d":2}},"strokes":{}}"#
    );
    assert_eq!(
        of(&[(2, 0, 1), (1, 1, 1)]),
        r#"{"entities":{"e":{"d":2}},"strokes":{}}"#
    );
    assert_eq!(of(&[(1, 0, 1)]), r#"{"entities":{},"strokes":{}}"#);
}

/// Of two that did not know of each other the higher client id stands behind.
#[test]
fn concurrent_values_stand_in_the_order_of_their_clients() {
    let first = [entity("e"), component((1, 0), "c", &N[1])];
    for (low, high) in [(2, 3), (2, 300)] {
        let sections = [
            (high, &[behind((1, 1), &N[3])][..]),
            (low, &[behind((1, 1), &N[2])][..]),
            (1, &first[..]),
        ];
        assert_eq!(
            json(&update(&sections, &[])),
            r#"{"entities":{"e":{"c":3}},"strokes":{}}"#
        );
    }
}

/// Two that draw a lot and do not know of each other, as an update may say it: nothing names what is before it.
#[test]
fn a_long_board_of_two_is_read_in_few_steps() {
    const N: usize = 2_000;
    let ink = vec![strokes(&OBJECT); N];
    let update = update(&[(2, &ink), (1, &ink)], &[]);
    let order = order::Order::read(&update).expect("a document");
    assert!(order.steps < 4 * N, "{} steps", order.steps);
    let content = Content::read(&update).expect("a document");
    assert_eq!(content.boards[0].1.len(), 2 * N);
}

/// Drawn in front of each other by one, and put among that by another who names what follows only: each of these passes
/// what is before it, in an engine too.
#[test]
fn what_takes_too_many_steps_is_left_to_an_engine() {
    let document = |n: u8| {
        let behind = |clock: u8| [&[0x48, 2, clock, 1][..], &OBJECT].concat();
        let mut first = vec![strokes(&OBJECT)];
        first.extend((1..n).map(|clock| behind(clock - 1)));
        let second: Vec<Vec<u8>> = (0..n).map(behind).collect();
        update(&[(2, &first), (1, &second)], &[])
    };
    let few = document(20);
    assert_eq!(Content::read(&few).expect("a document").boards[0].1.len(), 40);
    assert_eq!(Content::read(&document(120)), None);
}

/// What an engine has joined takes no room: two bytes each.
#[test]
fn what_is_collected_is_one_item() {
    let update = update(&[(2, &[entity("e")]), (1, &vec![vec![0, 1]; 1_000])], &[]);
    let order = order::Order::read(&update).expect("a document");
    assert_eq!(order.items.all.len(), 2);
}

#[test]
fn ink_stands_where_it_was_put_also_within_a_run() {
    let run = [OBJECT, OBJECT, OBJECT].concat();
    let first = [strokes(&run)];
    // Client 2 draws between the first and the second of the run, or behind the first before it saw the second, and
    // client 3 deletes the second.
    let x = [118, 1, 1, b'x', 120];
    let between = [&[0xc8, 1, 0, 1, 1, 1][..], &x].concat();
    let unaware = [&[0x88, 1, 0, 1][..], &x].concat();
    let found = |drawn| json(&update(&[(2, &[drawn]), (1, &first)], &[(1, 1, 1)]));
    assert_eq!(
        found(between),
        r#"{"entities":{},"strokes":{"e":[{},{"x":true},{}]}}"#
    );
    assert_eq!(
        found(unaware),
        r#"{"entities":{},"strokes":{"e":[{},{},{"x":true}]}}"#
    );
}

#[test]
fn values_are_written_as_the_engine_shows_them() {
    let mut value = vec![118, 6];
    let members: [(&str, &[u8]); 6] = [
        ("z", &[124, 0x3f, 0x80, 0, 0]),
        ("b", &[116, 2, 0xff, 0]),
        ("a", &[117, 2, 127, 121]),
        ("big", &[122, 0, 0x20, 0, 0, 0, 0, 0, 0]),
        ("b", &[119, 2, b'"', b'\\']),
        ("f", &[123, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]),
    ];
    for (key, bytes) in members {
        write_str(&mut value, key);
        value.extend(bytes);
    }
    let found = json(&update(
        &[(1, &[entity("e"), component((1, 0), "c", &value)])],
        &[],
    ));
    let expected = r#"{"a":[null,false],"b":"\"\\","big":9007199254740992,"f":0.1,"z":1}"#;
    assert_eq!(
        found,
        format!(r#"{{"entities":{{"e":{{"c":{expected}}}}},"strokes":{{}}}}"#)
    );
}

#[test]
fn what_is_no_whole_document_is_left_to_an_engine() {
    let whole = update(&[(1, &[entity("e")])], &[]);
    assert_eq!(json(&whole), r#"{"entities":{"e":{}},"strokes":{}}"#);
    assert_eq!(Content::read(&whole[..whole.len() - 1]), None, "cut off");
    assert_eq!(
        Content::read(&update(&[(1, &[behind((2, 0), &N[1])])], &[])),
        None,
        "builds on nothing"
    );
    let mut later = whole.clone();
    later[2] = 1;
    later[3] = 5;
    assert_eq!(Content::read(&later), None, "does not begin at the beginning");
    let (one, two) = ([behind((2, 0), &N[1])], [behind((1, 0), &N[1])]);
    assert_eq!(
        Content::read(&update(&[(2, &two), (1, &one)], &[])),
        None,
        "a circle"
    );
    assert_eq!(json(&[0, 0]), r#"{"entities":{},"strokes":{}}"#);
}
