use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::collab::doc::tests::{any_edit, play, session};
use crate::protocol::lib0::{put_var_bytes, put_var_uint};

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|two| (two[0] << 4 | two[1]) as u8)
        .collect()
}

#[track_caller]
fn check(hex: &str, expected: Result<&str, UpdateError>) {
    let read = Digest::read(&unhex(hex)).map(|digest| {
        let structs = digest.structs().map(|(c, a, b)| format!("{c}:{a}..{b}"));
        let deletions = digest.deletions().map(|(c, a, b)| format!("-{c}:{a}..{b}"));
        let gone = digest.gone().map(|(c, a, b)| format!("~{c}:{a}..{b}"));
        structs
            .chain(deletions)
            .chain(gone)
            .collect::<Vec<_>>()
            .join(" ")
    });
    assert_eq!(read.as_deref().map_err(|error| *error), expected);
}

#[test]
fn reads_what_clients_send() {
    check("0000", Ok(""));
    // Insert "Hi" into text 't'; delete one character of it (traces of y-websocket).
    check("01 01 01 00 04 01 01 74 02 4869 00", Ok("1:0..2"));
    check("00 01 01 01 00 01", Ok("-1:0..1"));
    // A character beyond the basic plane counts two.
    check("01 01 05 00 04 01 01 74 05 f09f9880 61 00", Ok("5:0..3"));
    // A map entry of a number; a nested map; GC, Skip and a deleted item.
    check("01 01 05 00 28 01 01 6d 01 6b 01 7d 05 00", Ok("5:0..1"));
    check(
        "01 02 05 00 07 01 01 61 01 28 00 05 00 01 6b 01 78 00",
        Ok("5:0..2"),
    );
    check(
        "01 03 05 00 00 03 0a 02 81 05 00 04 00",
        Ok("5:0..3 5:5..9 ~5:0..3 ~5:5..9"),
    );
    // The old JSON kind has as many strings as it says.
    check("01 01 05 00 02 01 01 74 02 01 31 01 32 00", Ok("5:0..2"));
}

#[test]
fn refuses_what_is_none() {
    let read = |error| Err(UpdateError::Read(error));
    check("", read(ReadError::End));
    check("00", read(ReadError::End));
    check("0000 00", Err(UpdateError::Trailing));
    // Counts that the bytes cannot hold: clients, structs, values, deletions.
    check("98f8ff7f 01 05 00", read(ReadError::End));
    check("01 ffffff7f 05 00 00 01 00", read(ReadError::End));
    check(
        "01 01 05 00 08 01 01 74 ffffff7f 7f 00",
        read(ReadError::End),
    );
    check("00 01 05 ffffff7f 00 01", read(ReadError::End));
    // A client above 2^53, a clock above 32 bits, one above 2^31, an overflow.
    check(
        "01 01 ffffffffffffff1f 00 00 01 00",
        read(ReadError::VarUint),
    );
    check("01 01 05 ffffffff1f 00 01 00", read(ReadError::Range));
    check("01 01 05 ffffffff07 00 01 00", Err(UpdateError::Clock));
    check("01 01 05 00 00 ffffffff0f 00", Err(UpdateError::Clock));
    check("00 01 05 01 01 ffffffff0f", Err(UpdateError::Clock));
    // Ranges without length, clients twice, kinds that are none.
    check("01 01 05 00 00 00 00", Err(UpdateError::Empty));
    check("01 01 05 00 0a 00 00", Err(UpdateError::Empty));
    check("00 01 05 01 00 00", Err(UpdateError::Empty));
    check(
        "02 01 05 00 00 01 01 05 07 00 01 00",
        Err(UpdateError::Repeated),
    );
    check("00 02 05 01 00 01 05 01 03 01", Err(UpdateError::Repeated));
    check("01 01 05 00 80 05 00 01 00", Err(UpdateError::Kind(0x80)));
    check(
        "01 01 05 00 14 01 01 74 01 61 00",
        Err(UpdateError::Kind(0x14)),
    );
    check("01 01 05 00 07 01 01 74 08 00", Err(UpdateError::Kind(8)));
    check("01 01 05 00 04 01 01 74 01 ff 00", read(ReadError::Utf8));
    check("01 01 05 00 08 01 01 74 01 73 00", read(ReadError::Any));
}

#[test]
fn knows_what_the_engine_cannot_hold() {
    let fit = |hex| Digest::read(&unhex(hex)).expect("well-formed").fit();
    assert_eq!(fit("01 01 05 00 04 01 01 74 01 61 00"), Fit::Plain);
    // Formats: null, a string; with an escape the engine has to try.
    assert_eq!(
        fit("01 01 05 00 06 01 01 74 01 62 04 6e756c6c 00"),
        Fit::Plain
    );
    assert_eq!(
        fit("01 01 05 00 06 01 01 74 01 62 03 226122 00"),
        Fit::Plain
    );
    assert_eq!(
        fit("01 01 05 00 06 01 01 74 01 62 04 225c7722 00"),
        Fit::Check
    );
    // A sub-document; an empty string, which old versions wrote.
    assert_eq!(fit("01 01 05 00 09 01 01 74 01 67 76 00 00"), Fit::Check);
    assert_eq!(fit("01 01 05 00 04 01 01 74 00 00"), Fit::Check);
    // An XML hook, the old JSON kind.
    assert_eq!(fit("01 01 05 00 07 01 01 74 05 01 68 00"), Fit::Unfit);
    assert_eq!(fit("01 01 05 00 02 01 01 74 01 01 31 00"), Fit::Unfit);
}

#[test]
fn bounds_every_depth() {
    let value = |depth: usize| {
        let mut update = unhex("01 01 05 00 08 01 01 74 01");
        update.extend([117, 1].repeat(depth));
        update.extend([127, 0]);
        Digest::read(&update).map(drop)
    };
    assert_eq!(value(ANY_NESTING_MAX), Ok(()));
    assert_eq!(
        value(ANY_NESTING_MAX + 1),
        Err(UpdateError::Read(ReadError::Any))
    );
    assert_eq!(value(100_000), Err(UpdateError::Read(ReadError::Any)));

    let types = usize::from(TYPE_NESTING_MAX);
    assert!(Digest::read(&nested(types + 1)).is_ok());
    assert_eq!(Digest::read(&nested(types + 2)), Err(UpdateError::Nested));

    let sub_documents = |n: usize| {
        let mut update = BytesMut::new();
        put_var_uint(&mut update, 1);
        put_var_uint(&mut update, n as u64);
        update.extend([5, 0]);
        update.extend([9, 1, 0, 0, 127].repeat(n));
        update.extend([0]);
        Digest::read(&update).map(drop)
    };
    assert_eq!(sub_documents(SUB_DOCUMENTS_MAX), Ok(()));
    let refused = Err(UpdateError::SubDocuments);
    assert_eq!(sub_documents(SUB_DOCUMENTS_MAX + 1), refused);

    let clients = |n: usize| {
        let mut update = BytesMut::new();
        put_var_uint(&mut update, n as u64);
        for client in 0..n {
            update.extend([1]);
            put_var_uint(&mut update, client as u64);
            update.extend([0, 0, 1]);
        }
        update.extend([0]);
        Digest::read(&update).map(drop)
    };
    assert_eq!(clients(CLIENTS_MAX), Ok(()));
    assert_eq!(clients(CLIENTS_MAX + 1), Err(UpdateError::Clients));
}

/// So many maps of client 5, each in the one before.
pub(crate) fn nested(types: usize) -> Vec<u8> {
    let mut update = BytesMut::new();
    put_var_uint(&mut update, 1);
    put_var_uint(&mut update, types as u64);
    update.extend([5, 0, 7, 1, 1, b't', 1]);
    for parent in 0..types - 1 {
        update.extend([7, 0, 5]);
        put_var_uint(&mut update, parent as u64);
        update.extend([1]);
    }
    update.extend([0]);
    update.to_vec()
}

#[test]
fn memory_is_a_small_multiple_of_the_input() {
    // The shortest struct with a cause, each with another one: what a hostile peer would send.
    let mut structs = BytesMut::new();
    let n = 16_000u64;
    for clock in 0..n {
        structs.extend([0x81]);
        put_var_uint(&mut structs, clock % 128);
        structs.extend([(clock / 128) as u8, 1]);
    }
    let mut update = BytesMut::new();
    put_var_uint(&mut update, 1);
    put_var_uint(&mut update, n);
    put_var_uint(&mut update, 5_000_000);
    put_var_uint(&mut update, 0);
    update.extend(structs);
    // And single deletions with holes between them.
    update.extend([1, 6]);
    put_var_uint(&mut update, 1_000);
    for clock in 0..1_000u64 {
        put_var_uint(&mut update, clock * 2);
        update.extend([1]);
    }
    let digest = Digest::read(&update).expect("well-formed");
    assert!(update.len() <= 80_000);
    assert!(
        digest.heap_bytes() < 48 * update.len(),
        "{}",
        digest.heap_bytes()
    );
}

#[test]
fn state_vectors() {
    let vector = StateVector::decode(&unhex("02 07 03 05 01")).expect("well-formed");
    assert_eq!(vector.iter().collect::<Vec<_>>(), [(5, 1), (7, 3)]);
    assert_eq!((vector.get(7), vector.get(8)), (3, 0));
    assert_eq!(vector.encode(), unhex("02 07 03 05 01"));
    assert_eq!(StateVector::default().encode(), unhex("00"));
    assert_eq!(
        StateVector::decode(&unhex("ffffff7f 01 01")),
        Err(ReadError::End)
    );
    assert_eq!(StateVector::decode(&unhex("")), Err(ReadError::End));
    assert_eq!(
        StateVector::decode(&unhex("01 01 ffffffff1f")),
        Err(ReadError::Range)
    );
}

#[test]
fn any_values() {
    let check = |hex: &str, expected: Result<usize, ReadError>| {
        let bytes = unhex(hex);
        let mut reader = crate::protocol::lib0::Reader::new(&bytes);
        let read = reader.skip_any(2).map(|()| reader.remaining());
        assert_eq!(read, expected, "{hex}");
    };
    check("7f", Ok(0));
    check("7d 00", Ok(0));
    // The largest whole number, and the next.
    check("7d bfffffffffffff1f", Ok(0));
    check("7d 80808080808080 20", Err(ReadError::VarUint));
    check("7d 8080808080808080 00", Ok(0));
    check("7d 808080808080808080 00", Err(ReadError::VarUint));
    check("7c 00000000", Ok(0));
    check("7b 0000000000000000", Ok(0));
    check("7a 00000000000000", Err(ReadError::End));
    check("77 02 6869", Ok(0));
    check("76 01 01 61 75 01 78", Ok(0));
    check("75 01 75 01 75 00", Err(ReadError::Any));
    check("74 02 0102 99", Ok(1));
    check("73", Err(ReadError::Any));
}

proptest! {
    #[test]
    fn no_prefix_of_an_update_is_one(steps in session(any_edit())) {
        for update in play(&steps) {
            for end in 0..update.len() {
                prop_assert!(Digest::read(&update[..end]).is_err());
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = BytesMut::new();
        put_var_bytes(&mut framed, &bytes);
        for bytes in [&bytes[..], &framed[..]] {
            if let Ok(digest) = Digest::read(bytes) {
                prop_assert!(digest.heap_bytes() <= 48 * bytes.len() + 1_024);
            }
            let _ = StateVector::decode(bytes);
        }
    }
}
