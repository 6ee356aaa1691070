//! The ticket, written for its owner only, and all at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use farwarp_protocol::ticket::Ticket;

/// Readers see the old file, or the whole new one.
pub fn write(path: &Path, ticket: &Ticket) -> io::Result<()> {
    let unfinished = beside(path);
    let result = write_new(&unfinished, ticket).and_then(|()| fs::rename(&unfinished, path));
    if result.is_err() {
        // The first error is the one that tells why.
        let _ = fs::remove_file(&unfinished);
    }
    result
}

fn write_new(path: &Path, ticket: &Ticket) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{ticket}")?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::ticket::{KeyPin, Secret};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_its_owner_can_read_a_ticket_also_where_a_file_lay_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket");
        fs::write(&path, "for all to read").unwrap();
        let ticket = Ticket { address: "h:1".into(), key: KeyPin([1; 32]), secret: Secret([2; 32]) };
        write(&path, &ticket).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap().parse::<Ticket>().unwrap().secret.0, [2; 32]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("no/such/folder"), &ticket).is_err());
    }
}
