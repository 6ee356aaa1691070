//! Where the key of an account lies: in a variable, in a file that the configuration names, or where the vendor's own tool keeps it.

use std::path::PathBuf;

/// A longer file holds no key.
const KEY_BYTES_MAX: usize = 4096;

pub struct KeySource {
    pub variable: &'static str,
    /// Comes before everything else.
    pub named: Option<PathBuf>,
    /// Below the home directory.
    pub usual: &'static [&'static str],
}

impl KeySource {
    /// The key, or in words where it was looked for.
    pub fn read(&self) -> Result<String, String> {
        self.read_with(|name| std::env::var(name).ok())
    }

    fn read_with(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        if let Some(path) = &self.named {
            return in_file(path).map_err(|error| format!("{}: {error}", path.display()));
        }
        if let Some(key) = variable(self.variable).filter(|key| !key.trim().is_empty()) {
            return checked(&key).map_err(|error| format!("{}: {error}", self.variable));
        }
        let home = variable("HOME").map(PathBuf::from);
        let mut files = self.usual.iter().filter_map(|name| Some(home.as_ref()?.join(name)));
        if let Some(path) = files.find(|path| path.is_file()) {
            return in_file(&path).map_err(|error| format!("{}: {error}", path.display()));
        }
        let places: Vec<String> = self.usual.iter().map(|name| format!("~/{name}")).collect();
        Err(format!("there is no key: set {}, or put it into {}", self.variable, places.join(" or ")))
    }
}

fn in_file(path: &PathBuf) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    checked(&text)
}

/// A key goes into a header: one word of what can be printed.
fn checked(text: &str) -> Result<String, String> {
    let key = text.trim();
    match key {
        "" => Err("it is empty".into()),
        _ if key.len() > KEY_BYTES_MAX => Err(format!("it has more than {KEY_BYTES_MAX} bytes")),
        _ if key.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(key.to_owned()),
        _ => Err("it holds blanks or what is no ASCII".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_comes_before_the_variable_and_that_before_the_usual_places() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".key"), "usual\n").unwrap();
        std::fs::write(home.path().join("named"), " named ").unwrap();
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            "KEY" => Some("variable".into()),
            _ => None,
        };
        let source = |variable, named| KeySource { variable, named, usual: &[".key"] };
        assert_eq!(source("KEY", None).read_with(variable), Ok("variable".into()));
        assert_eq!(source("KEY", Some(home.path().join("named"))).read_with(variable), Ok("named".into()));
        assert_eq!(source("NONE", None).read_with(variable), Ok("usual".into()));
        let none = KeySource { variable: "NONE", named: None, usual: &[".absent"] };
        assert!(none.read_with(variable).unwrap_err().contains("set NONE, or put it into ~/.absent"));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_key() {
        for wrong in ["", " ", "two words", "line\nbreak", "ümlaut"] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }
}
