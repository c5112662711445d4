use std::fs;
use std::path::Path;

use super::NOW;
use crate::auth::{
    KEYS_MAX, Keys, KeysFileError, SecretKey, SecretKeyError, create_keys, keys_path, read_keys,
    rotate_keys,
};

fn ids(keys: &Keys) -> Vec<&str> {
    keys.iter().map(SecretKey::id).collect()
}

fn check_error(result: Result<impl std::fmt::Debug, KeysFileError>, data: &Path, expected: &str) {
    let told = result.unwrap_err().to_string();
    let told = told.replace(data.to_str().unwrap(), "DATA");
    assert_eq!(told, expected);
}

#[test]
fn a_key_is_its_text() {
    let key = SecretKey::from_seed([1; 32]);
    let text = key.to_secret_text();
    assert_eq!(text, "sk_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
    let read: SecretKey = format!(" {text}\n").parse().unwrap();
    assert_eq!(read.id(), key.id());
    for (text, expected) in [
        ("", SecretKeyError::Prefix),
        ("pk_AQEB", SecretKeyError::Prefix),
        ("sk_localdev", SecretKeyError::Seed),
        ("sk_AQEB", SecretKeyError::Seed),
    ] {
        assert_eq!(
            text.parse::<SecretKey>().map(|_| ()),
            Err(expected),
            "{text}"
        );
    }
}

#[test]
fn debug_tells_no_secret() {
    let key = SecretKey::from_seed([1; 32]);
    let told = format!("{:?}", Keys::none().with(key.clone()));
    assert_eq!(told, r#"Keys { list: [SecretKey("iojj3XQJ8ZX9")] }"#);
}

#[test]
fn two_new_keys_differ() {
    let (one, two) = (
        SecretKey::generate().unwrap(),
        SecretKey::generate().unwrap(),
    );
    assert_ne!(one.to_secret_text(), two.to_secret_text());
}

#[test]
fn a_file_is_made_once_read_and_rotated() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a/b");
    assert!(read_keys(&data).unwrap().is_none());
    check_error(rotate_keys(&data, NOW), &data, "there is no DATA/keys.json");

    let created = create_keys(&data, NOW).unwrap();
    assert_eq!(ids(&read_keys(&data).unwrap().unwrap()), ids(&created));
    check_error(create_keys(&data, NOW), &data, "DATA/keys.json exists");

    let rotated = rotate_keys(&data, NOW + 1).unwrap();
    assert_eq!(ids(&rotated)[0], ids(&created)[0]);
    assert_ne!(rotated.signing().unwrap().id(), ids(&created)[0]);
    assert_eq!(ids(&read_keys(&data).unwrap().unwrap()), ids(&rotated));

    let names: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["keys.json"], "nothing is left beside it");
}

#[test]
fn a_file_holds_so_many_keys_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    create_keys(data, NOW).unwrap();
    for _ in 1..KEYS_MAX {
        rotate_keys(data, NOW).unwrap();
    }
    check_error(
        rotate_keys(data, NOW),
        data,
        "DATA/keys.json holds 16 keys, the most there may be",
    );
    assert_eq!(read_keys(data).unwrap().unwrap().iter().len(), KEYS_MAX);
}

#[test]
fn a_crash_while_writing_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let created = create_keys(data, NOW).unwrap();
    fs::write(data.join("keys.json.new"), "{ half").unwrap();
    assert_eq!(ids(&read_keys(data).unwrap().unwrap()), ids(&created));
    assert_eq!(rotate_keys(data, NOW).unwrap().iter().len(), 2);
}

#[test]
fn a_second_writer_is_told_to_wait() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    create_keys(data, NOW).unwrap();
    let other = fs::File::open(data).unwrap();
    other.lock().unwrap();
    check_error(
        rotate_keys(data, NOW),
        data,
        "another process is writing DATA/keys.json",
    );
}

#[test]
fn a_bad_file_is_named_and_never_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    create_keys(data, NOW).unwrap();
    let good = fs::read_to_string(keys_path(data)).unwrap();
    let check = |text: &str, expected: &str| {
        fs::write(keys_path(data), text).unwrap();
        let expected = format!("DATA/keys.json is not a keys file: {expected}");
        check_error(read_keys(data), data, &expected);
        check_error(rotate_keys(data, NOW), data, &expected);
        assert_eq!(fs::read_to_string(keys_path(data)).unwrap(), text);
    };
    check("", "line 1, column 0");
    check("sk_secret", "line 1, column 1");
    check(r#"{"version":1,"keys":[]}"#, "0 keys, 1 to 16 may be");
    check(
        &good.replace("\"version\": 1", "\"version\": 2"),
        "version 2, known is 1",
    );
    check(
        &good.replace("sk_", "pk_"),
        "keys[0]: a secret key starts with `sk_`",
    );
    check(
        &good.replace("\"id\": \"", "\"id\": \"x"),
        "keys[0]: the id does not belong to the secret",
    );
    check(&" ".repeat(70_000), "it has more than 65536 bytes");
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    create_keys(&data, NOW).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys_path(&data)), 0o600);
    assert_eq!(mode(&data), 0o700);

    let set = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(keys_path(&data), permissions).unwrap();
    };
    set(0o640);
    assert!(read_keys(&data).is_ok());
    for open in [0o644, 0o602, 0o601] {
        set(open);
        let refused = read_keys(&data).unwrap_err();
        let hint = format!("chmod 600 {}", keys_path(&data).display());
        assert_eq!(refused.hint(), Some(hint));
    }
}
