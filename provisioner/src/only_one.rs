//! A lock that one process of this machine holds at a time, and that ends with it. A file's own lock where there are such; some file systems
//! (of networks, of containers) have none, and then a socket's name, which the kernel gives to one process only.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held as long as it lives.
#[derive(Debug)]
pub enum OnlyOne {
    File {
        _file: File,
    },
    /// Machines that share the file do not see each other.
    Name {
        _name: UnixListener,
    },
}

impl OnlyOne {
    /// `None` while another process holds it.
    pub fn take(path: &Path) -> io::Result<Option<OnlyOne>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Self::of(file, locked)
    }

    fn of(file: File, locked: Result<(), Errno>) -> io::Result<Option<OnlyOne>> {
        match locked {
            Ok(()) => Ok(Some(OnlyOne::File { _file: file })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => Self::by_name(&file),
            Err(error) => Err(error.into()),
        }
    }

    fn by_name(file: &File) -> io::Result<Option<OnlyOne>> {
        let about = file.metadata()?;
        let name = format!("farwarp-only-one-{}-{:x}-{:x}", about.uid(), about.dev(), about.ino());
        match UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?) {
            Ok(name) => Ok(Some(OnlyOne::Name { _name: name })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path) -> File {
        File::create(path).expect("a file")
    }

    #[test]
    fn a_file_is_locked_by_one_and_free_when_that_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = OnlyOne::take(&path).unwrap();
        assert!(matches!(first, Some(OnlyOne::File { .. })));
        assert!(OnlyOne::take(&path).unwrap().is_none());
        drop(first);
        assert!(OnlyOne::take(&path).unwrap().is_some());
    }

    #[test]
    fn without_locks_a_name_does_the_same_and_other_files_have_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for refused in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS] {
            let first = OnlyOne::of(file(&path), Err(refused)).unwrap();
            assert!(matches!(first, Some(OnlyOne::Name { .. })));
            assert!(OnlyOne::of(file(&path), Err(refused)).unwrap().is_none());
            assert!(OnlyOne::of(file(&folder.path().join("other")), Err(refused)).unwrap().is_some());
            drop(first);
            assert!(OnlyOne::of(file(&path), Err(refused)).unwrap().is_some());
        }
        assert!(OnlyOne::of(file(&path), Err(Errno::IO)).is_err());
    }
}
