"""A file system that does not tell upper from lower case in names, and keeps the names as they were first written: `folding.py BACKING MOUNTPOINT`.

For tests, where the kernel has none. Everything is kept in the directory BACKING. Ends when it is unmounted.
"""

import errno
import os
import sys

from fusepy import FUSE, FuseOSError, Operations


class Folding(Operations):
    def __init__(self, backing):
        self.backing = backing

    def real(self, path):
        """Where a path is kept: each name as it stands, or else the one that differs in case only."""
        real = self.backing
        for name in filter(None, path.split("/")):
            if not os.path.lexists(os.path.join(real, name)) and os.path.isdir(real):
                alike = [other for other in os.listdir(real) if other.lower() == name.lower()]
                name = alike[0] if alike else name
            real = os.path.join(real, name)
        return real

    def __call__(self, operation, *arguments):
        try:
            return super().__call__(operation, *arguments)
        except OSError as error:
            raise FuseOSError(error.errno or errno.EIO) from error

    def getattr(self, path, fh=None):
        stat = os.lstat(self.real(path)) if fh is None else os.fstat(fh)
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime", "st_mtime", "st_ctime", "st_ino")
        return {name: getattr(stat, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.real(path))]

    def readlink(self, path):
        return os.readlink(self.real(path))

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def unlink(self, path):
        os.unlink(self.real(path))

    def symlink(self, path, target):
        os.symlink(target, self.real(path))

    def rename(self, old, new):
        os.rename(self.real(old), self.real(new))

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def chown(self, path, uid, gid):
        os.chown(self.real(path), uid, gid, follow_symlinks=False)

    def utimens(self, path, times=None):
        os.utime(self.real(path), times, follow_symlinks=False)

    def create(self, path, mode, fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path, flags):
        return os.open(self.real(path), flags)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.real(path) if fh is None else fh, length)

    def release(self, path, fh):
        os.close(fh)

    def statfs(self, path):
        stat = os.statvfs(self.real(path))
        names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_ffree", "f_files", "f_frsize", "f_namemax")
        return {name: getattr(stat, name) for name in names}


FUSE(Folding(sys.argv[1]), sys.argv[2], foreground=True, nothreads=True, default_permissions=True, use_ino=True, nonempty=True)
