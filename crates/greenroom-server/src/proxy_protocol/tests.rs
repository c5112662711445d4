use proptest::prelude::*;

use super::read;

/// Reads a header; gives what it says and what is left behind it.
fn run(bytes: &[u8]) -> (Result<Option<String>, ()>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut rest = bytes;
    let said = runtime.block_on(read(&mut rest));
    (
        said.map(|from| from.map(|from| from.to_string()))
            .map_err(|_| ()),
        rest.to_vec(),
    )
}

#[track_caller]
fn check(bytes: &[u8], expected: Result<Option<&str>, ()>) {
    let behind = b"GET / HTTP/1.1\r\n";
    let (said, rest) = run(&[bytes, behind].concat());
    assert_eq!(said, expected.map(|from| from.map(str::to_owned)));
    if expected.is_ok() {
        assert_eq!(rest, behind, "nothing behind it is read");
    }
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend(rest);
    header
}

#[test]
fn version_1_is_read() {
    check(
        b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 80\r\n",
        Ok(Some("1.2.3.4:5000")),
    );
    check(
        b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n",
        Ok(Some("[2001:db8::1]:5000")),
    );
    check(b"PROXY UNKNOWN\r\n", Ok(None));
    check(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Ok(None));
    for wrong in [
        "PROXY TCP4 1.2.3 10.0.0.1 5000 80\r\n",
        "PROXY TCP4 1.2.3.4 10.0.0.1 70000 80\r\n",
        "PROXY UDP4 1.2.3.4 10.0.0.1 5000 80\r\n",
        "GET /yjs/room HTTP/1.1\r\n",
        &format!("PROXY TCP4 {}\r\n", "1".repeat(200)),
    ] {
        check(wrong.as_bytes(), Err(()));
    }
}

#[test]
fn version_2_is_read() {
    let v4 = [1, 2, 3, 4, 10, 0, 0, 1, 0x13, 0x88, 0, 80];
    check(&version_2(0x21, 0x11, &v4), Ok(Some("1.2.3.4:5000")));
    let extended = [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    check(&version_2(0x21, 0x11, &extended), Ok(Some("1.2.3.4:5000")));
    let mut v6 = [0; 36];
    v6[0] = 0x20;
    v6[15] = 7;
    v6[33] = 9;
    check(&version_2(0x21, 0x21, &v6), Ok(Some("[2000::7]:9")));
    check(&version_2(0x20, 0, &[]), Ok(None));
    check(&version_2(0x21, 0x31, &[0; 216]), Ok(None));
    check(&version_2(0x21, 0x11, &v4[..8]), Err(()));
    check(&version_2(0x31, 0x11, &v4), Err(()));
    check(&version_2(0x21, 0x11, &[0; 5_000]), Err(()));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0..3) {
        let start: &[u8] = match which {
            0 => b"",
            1 => b"PROXY TCP4 ",
            _ => b"\r\n\r\n\0\r\nQUIT\n",
        };
        let _ = run(&[start, &bytes].concat());
    }
}
