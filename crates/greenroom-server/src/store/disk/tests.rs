use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn the_smaller_of_both_bounds_counts() {
    for (total_bytes, expected) in [(1 << 40, 256 * MIB), (20 * MIB, MIB - 5), (0, 0)] {
        let found = FreeLimits::default().bytes_of(total_bytes);
        assert!(found.abs_diff(expected) < 100, "{found} of {total_bytes}");
    }
    assert_eq!(FreeLimits::NONE.bytes_of(u64::MAX), 0);
}

#[test]
fn a_disk_is_low_until_it_has_a_little_more_than_it_must() {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(300 * MIB));
    let told = Arc::clone(&free);
    let probe = move || {
        Some(Space {
            free_bytes: told.load(Ordering::Relaxed),
            total_bytes: 1 << 40,
        })
    };
    let limits = FreeLimits::default();
    let watch = DiskWatch::with_probe(directory.path(), limits, Box::new(probe));
    for (free_mib, expected) in [
        (300, false),
        (255, true),
        (270, true),
        (282, false),
        (257, false),
    ] {
        free.store(free_mib * MIB, Ordering::Relaxed);
        assert_eq!(watch.look_now().unwrap().is_low, expected, "{free_mib}");
    }
}

#[test]
fn the_reserve_is_given_up_once_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let probe = || {
        Some(Space {
            free_bytes: 1 << 30,
            total_bytes: 1 << 40,
        })
    };
    let limits = FreeLimits::default();
    let watch = DiskWatch::with_probe(directory.path(), limits, Box::new(probe));
    let kept = || watch.parts()[2].1;
    assert_eq!(kept(), 0);
    let _ = watch.look_now();
    assert_eq!(kept(), RESERVE_BYTES);
    assert!(watch.give_up_reserve());
    assert!(!watch.give_up_reserve());
    assert_eq!(kept(), 0);
    let _ = watch.look_now();
    assert_eq!(kept(), RESERVE_BYTES);
}
