//! How much of the disk is left: appends stop before it is full, so that what frees space
//! (snapshots, trims, the move into the database) still has some.

use std::path::Path;

/// Appends are refused when less is left, in bytes: snapshots under way and the write-ahead log fit.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// On a small disk a part of it is enough, in percent.
const FREE_PERCENT_MIN: u64 = 5;

/// Whether so little is left that appends must be refused. A file system that does not say counts
/// as large: then the error of a write decides.
pub(super) fn is_low(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|disk| {
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        is_below(disk.f_bavail.saturating_mul(disk.f_frsize), total)
    })
}

const fn is_below(free: u64, total: u64) -> bool {
    // One without blocks does not count them.
    total > 0 && free < FREE_BYTES_MIN && free < total / 100 * FREE_PERCENT_MIN
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn the_smaller_of_both_bounds_counts() {
        let (mb, tb) = (1 << 20, 1 << 40);
        for (free, total, expected) in [
            (40 << 30, tb, false),
            (300 * mb, tb, false),
            (255 * mb, tb, true),
            (2 * mb, 20 * mb, false),
            (mb / 2, 20 * mb, true),
            (0, 20 * mb, true),
            (0, 0, false),
        ] {
            assert_eq!(is_below(free, total), expected, "{free} of {total}");
        }
    }
}
