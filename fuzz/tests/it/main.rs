//! Replays what is kept of each target's inputs: what was found once is never found again.

use std::fs;
use std::path::Path;

use fuzz::TARGETS;

/// A target's inputs are few and small: they are for the repository, not for the fuzzer alone.
const CORPUS_BYTES_MAX: u64 = 256 << 10;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders = 0;
    for target in TARGETS {
        let files = fs::read_dir(corpus.join(target.name)).expect(target.name);
        let (mut count, mut bytes) = (0, 0);
        for file in files {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(
                input.len() <= target.bytes_max,
                "{} is too long",
                path.display()
            );
            println!("{}", path.display());
            (target.run)(&input);
            count += 1;
            bytes += input.len() as u64;
        }
        assert!(count > 0, "{} has no input", target.name);
        assert!(bytes <= CORPUS_BYTES_MAX, "{}: {bytes} bytes", target.name);
        folders += 1;
    }
    let found = fs::read_dir(corpus).unwrap().count();
    assert_eq!(found, folders, "each folder belongs to a target");
}

#[test]
fn every_target_takes_nothing_and_noise() {
    let noise: Vec<u8> = (0..512_u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    for target in TARGETS {
        for length in [0, 1, 2, 3, 16, 100, 512] {
            (target.run)(&noise[..length]);
        }
    }
}
