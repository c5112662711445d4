use super::*;

fn head() -> BackupHead {
    BackupHead {
        taken_ms: 1_795_224_000_000,
        rooms: 1,
        epoch: 3,
        version: "0.1.0".into(),
    }
}

fn blocks() -> Vec<Block> {
    vec![
        Block::Room(BackupRoom {
            name: "docs/a".into(),
            kind: "collab".into(),
            incarnation: u128::MAX - 7,
            created_ms: 1,
            changed_ms: 2,
            head: 9,
            trimmed: 4,
            next_wake_ms: Some(0),
            metadata: Bytes::from_static(b"{}"),
            accesses: Bytes::new(),
        }),
        Block::Snapshot {
            part: "document:".into(),
            seq: 4,
            data: Bytes::from_static(b"snapshot"),
        },
        Block::Row {
            first_seq: 5,
            count: 5,
            time_ms: 2,
            data: Bytes::from_static(b"row"),
        },
        Block::Version(BackupVersion {
            document: "notes".into(),
            id: 7,
            seq: 8,
            kind: "named".into(),
            label: "before the talk".into(),
            user: "ada".into(),
            expires_ms: Some(0),
            bytes: 5,
            data: Bytes::from_static(b"state"),
        }),
        Block::Queued(Bytes::from_static(b"item")),
    ]
}

fn written() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = BackupWriter::begin(&mut file, head()).unwrap();
    for block in blocks() {
        writer.put(&block).unwrap();
    }
    writer.finish().unwrap();
    file
}

#[test]
fn what_is_written_is_read() {
    let file = written();
    let (mut reader, told) = BackupReader::begin(&file[..]).unwrap();
    assert_eq!(told, head());
    for block in blocks() {
        assert_eq!(reader.next().unwrap(), block);
    }
    let totals = BackupTotals {
        rooms: 1,
        snapshots: 1,
        rows: 1,
        queued: 1,
        versions: 1,
    };
    assert_eq!(reader.next().unwrap(), Block::End(totals));
    assert_eq!(reader.position(), file.len() as u64);
    assert_eq!(check_backup(&file[..]).unwrap(), (head(), totals));
}

#[test]
fn a_file_that_was_cut_is_told() {
    let file = written();
    for length in 0..file.len() {
        match check_backup(&file[..length]).unwrap_err() {
            BackupError::NotABackup => assert!(length < MAGIC.len()),
            BackupError::CutOff => {}
            other => panic!("cut at {length}: {other}"),
        }
    }
}

#[test]
fn no_flipped_bit_goes_unseen() {
    let file = written();
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(check_backup(&damaged[..]).is_err(), "bit {bit}");
    }
}

#[test]
fn a_block_that_is_missing_is_missed() {
    let whole = written();
    let mut file = Vec::new();
    let mut writer = BackupWriter::begin(&mut file, head()).unwrap();
    for block in blocks() {
        writer.put(&block).unwrap();
    }
    let queued = 1 + 1 + 4 + 4;
    let end = whole.len() - file.len();
    let cut = [&file[..file.len() - queued], &whole[whole.len() - end..]].concat();
    let error = check_backup(&cut[..]).unwrap_err();
    assert!(error.to_string().ends_with("blocks are missing before it"));
}

#[test]
fn a_newer_format_and_another_file_are_told_apart() {
    let mut file = written();
    file[MAGIC.len()] = 3;
    let error = check_backup(&file[..]).unwrap_err();
    assert!(matches!(error, BackupError::NewerFormat(3)));
    let error = check_backup(&b"PK\x03\x04 and so on"[..]).unwrap_err();
    assert!(matches!(error, BackupError::NotABackup));
}

/// What was written yesterday is read tomorrow: these bytes may only change with [`VERSION`].
#[test]
fn a_backup_has_these_bytes() {
    let mut file = Vec::new();
    BackupWriter::begin(&mut file, head())
        .unwrap()
        .finish()
        .unwrap();
    let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
    let magic_and_version = "47524e4d424b555002";
    let end = "06090000000000beee35cbe84d718f";
    assert_eq!(hex, format!("{magic_and_version}{HEAD}{end}"));
}

const HEAD: &str = "010e80acc1dd9f34010305302e312e302fd4fead";

#[test]
fn a_backup_of_before_there_were_versions_is_read() {
    let hex = format!("47524e4d424b555001{HEAD}0608000000005d6c2bb0f711f790");
    let digits: Vec<_> = hex
        .bytes()
        .map(|d| char::from(d).to_digit(16).unwrap() as u8)
        .collect();
    let file: Vec<_> = digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    let (told, totals) = check_backup(&file[..]).unwrap();
    assert_eq!((told, totals), (head(), BackupTotals::default()));
}
