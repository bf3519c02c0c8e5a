//! Which file systems give a directory another time when a name in it comes or goes, as far as that is known. Looks at no directory itself.

use super::Sight;

/// Whether all that was seen lies on such file systems.
#[cfg(target_os = "linux")]
pub(super) fn all_keep_their_times(sights: &[Sight]) -> bool {
    use crate::ordered::Map;
    let mut devices = Map::new();
    for sight in sights {
        if let Some(stat) = &sight.stat {
            devices.insert(stat.device, &sight.path);
        }
    }
    // Through a link another device may be seen than the path lies on: both are among what was seen, or the link leads to a file only.
    devices.values().all(|path| {
        rustix::fs::statfs(path.as_path()).is_ok_and(|answer| is_known(answer.f_type as u64))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn all_keep_their_times(_sights: &[Sight]) -> bool {
    false
}

/// By the numbers that Linux gives them (`statfs(2)`). Network file systems and those in user space are not among them: what they say may be old, or made up.
#[cfg(target_os = "linux")]
fn is_known(kind: u64) -> bool {
    const EXT: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    const F2FS: u64 = 0xF2F5_2010;
    const ZFS: u64 = 0x2FC1_2FC1;
    const BCACHEFS: u64 = 0xCA45_1A4E;
    const TMPFS: u64 = 0x0102_1994;
    const OVERLAYFS: u64 = 0x794C_7630;
    [EXT, XFS, BTRFS, F2FS, ZFS, BCACHEFS, TMPFS, OVERLAYFS].contains(&kind)
}
