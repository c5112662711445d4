use std::path::Path;

use rcgen::generate_simple_self_signed;

use super::{PLAIN_ANSWER, Tls};
use crate::front::TlsFiles;

fn write(folder: &Path, name: &str) {
    let made = generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(folder.join("cert"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key"), made.key_pair.serialize_pem()).unwrap();
}

#[test]
fn files_are_read_anew_only_when_they_changed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "localhost");
    let files = TlsFiles {
        cert: folder.path().join("cert"),
        key: folder.path().join("key"),
    };
    let tls = Tls::of_files(files).unwrap();
    let first = tls.config();
    tls.follow();
    assert!(std::sync::Arc::ptr_eq(&first, &tls.config()));
    // Another length, so that it counts also where clocks are coarse.
    write(folder.path(), "a-much-longer-name.example.com");
    tls.follow();
    let second = tls.config();
    assert!(!std::sync::Arc::ptr_eq(&first, &second));
    std::fs::remove_file(folder.path().join("key")).unwrap();
    tls.follow();
    std::fs::write(folder.path().join("key"), "half written").unwrap();
    tls.follow();
    assert!(std::sync::Arc::ptr_eq(&second, &tls.config()));
}

#[test]
fn the_answer_to_plain_http_has_the_length_that_it_says() {
    let text = std::str::from_utf8(PLAIN_ANSWER).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
}
